/** Order of rows; pure. */

export type SortKey = string | number | null | undefined;

export interface Sort {
  id: string;
  desc: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/**
 * Numbers that stand for the texts of a key, in their order: comparing texts as people do costs far more than all else.
 * Kept for each key, so that a list that is sorted again (other direction, a few rows changed) has them already.
 */
const ranks = new WeakMap<(row: never) => SortKey, ReadonlyMap<string, number>>();

/** Rows in order of a key; those without one come last, whatever the direction. Equal rows keep their order. */
export function sortRows<Row>(rows: readonly Row[], key: (row: Row) => SortKey, desc: boolean): Row[] {
  const keys = rows.map(key);
  const texts = keys.some((one) => typeof one === "string" && one !== "") ? ranksOf(key, keys) : null;
  const sign = desc ? -1 : 1;
  const keyed = keys.map((one, place) => ({
    place,
    rank: one === null || one === undefined || one === "" ? null : sign * (typeof one === "number" ? one : (texts?.get(one) ?? 0)),
  }));
  keyed.sort((left, right) => {
    if (left.rank === null || right.rank === null) return left.rank === right.rank ? 0 : left.rank === null ? 1 : -1;
    return left.rank - right.rank;
  });
  const sorted: Row[] = [];
  for (const { place } of keyed) sorted.push(rows[place] as Row);
  return sorted;
}

function ranksOf(key: (row: never) => SortKey, keys: readonly SortKey[]): ReadonlyMap<string, number> {
  const texts = new Set<string>();
  for (const one of keys) if (typeof one === "string" && one !== "") texts.add(one);
  const known = ranks.get(key);
  if (known && [...texts].every((text) => known.has(text))) return known;
  const made = new Map<string, number>();
  let before: string | undefined;
  let rank = 0;
  for (const text of [...texts].sort(collator.compare)) {
    // Texts that differ in their case alone are equal.
    if (before !== undefined && collator.compare(before, text) !== 0) rank += 1;
    made.set(text, rank);
    before = text;
  }
  ranks.set(key, made);
  return made;
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
