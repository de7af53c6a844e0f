/** Order of rows; pure. */

export type SortKey = string | number | null | undefined;

export interface Sort {
  id: string;
  desc: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Rows in order of a key; those without one come last, whatever the direction. Equal rows keep their order. */
export function sortRows<Row>(rows: readonly Row[], key: (row: Row) => SortKey, desc: boolean): Row[] {
  const keyed = ranked(rows, key);
  const sign = desc ? -1 : 1;
  keyed.sort((left, right) => {
    const a = left.key;
    const b = right.key;
    const noA = a === null || a === undefined || a === "";
    const noB = b === null || b === undefined || b === "";
    if (noA || noB) return noA && noB ? 0 : noA ? 1 : -1;
    return typeof a === "number" && typeof b === "number" ? sign * (a - b) : sign * collator.compare(String(a), String(b));
  });
  return keyed.map((one) => one.row);
}

/** Rows with their keys; where few texts occur often, numbers in their order stand for them: that sorts far quicker. */
function ranked<Row>(rows: readonly Row[], key: (row: Row) => SortKey): { row: Row; key: SortKey }[] {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  const texts = new Set<string>();
  for (const one of keyed) if (typeof one.key === "string" && one.key !== "") texts.add(one.key);
  if (texts.size === 0 || texts.size > rows.length / 4) return keyed;
  const ranks = new Map([...texts].sort(collator.compare).map((text, place) => [text, place]));
  for (const one of keyed) if (typeof one.key === "string") one.key = ranks.get(one.key);
  return keyed;
}

/** The rows in an order that was held: known ones where they were, new ones at the end, gone ones left out. */
export function inHeldOrder<Row>(
  rows: readonly Row[],
  rowKey: (row: Row) => string,
  held: readonly string[],
): Row[] {
  const left = new Map(rows.map((row) => [rowKey(row), row]));
  const ordered: Row[] = [];
  for (const key of held) {
    const row = left.get(key);
    if (row !== undefined) {
      ordered.push(row);
      left.delete(key);
    }
  }
  ordered.push(...left.values());
  return ordered;
}

/** The selection with everything between two rows added, both included. */
export function withRange(selected: ReadonlySet<string>, keys: readonly string[], from: string, to: string): Set<string> {
  const a = keys.indexOf(from);
  const b = keys.indexOf(to);
  const next = new Set(selected);
  if (a < 0 || b < 0) {
    next.add(to);
    return next;
  }
  for (const key of keys.slice(Math.min(a, b), Math.max(a, b) + 1)) next.add(key);
  return next;
}
