import { UnstyledButton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import { useKey } from "../keys";
import { useDensity, usePreference } from "../preferences";
import classes from "./DataTable.module.css";
import { inHeldOrder, sortRows, withRange, type Sort, type SortKey } from "./rows";

export interface Column<Row> {
  id: string;
  header: string;
  /** Pixels; a column that grows takes a share of what is left. */
  width: number;
  grow?: boolean;
  align?: "right";
  cell: (row: Row) => ReactNode;
  /** By what the column sorts; it does not where this is absent. */
  sort?: (row: Row) => SortKey;
  /** The first press sorts downwards (times, counts). */
  descFirst?: boolean;
  hidden?: boolean;
  always?: boolean;
}

interface Props<Row> {
  /** What the table holds, for screen readers. */
  label: string;
  /** The name under which the reader's choice of columns is kept. */
  name: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  rowName?: (row: Row) => string;
  sort: Sort;
  onSort: (sort: Sort) => void;
  onOpen?: (row: Row) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (selected: Set<string>) => void;
  /** A row as it is shown where the window is narrow. */
  card: (row: Row) => ReactNode;
  cardHeight?: number;
  /** Changes when the rows are others on purpose (a filter), so that a held order is let go. */
  token?: string;
  empty: ReactNode;
}

const NONE: readonly string[] = [];
/** Rows beyond each edge of what is in view: each of them is made anew when the table is sorted. */
const OVERSCAN = 6;

/** Which columns are shown: the reader's choice, else those not hidden by default. */
export function useColumns<Row>(
  name: string,
  columns: readonly Column<Row>[],
): { shown: readonly Column<Row>[]; toggle: (id: string) => void } {
  const [chosen, choose] = usePreference<readonly string[] | null>(`columns.${name}`, null);
  const shown = useMemo(
    () => columns.filter((column) => column.always || (chosen ? chosen.includes(column.id) : !column.hidden)),
    [chosen, columns],
  );
  const toggle = (id: string) => {
    const ids = shown.map((column) => column.id);
    choose(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]);
  };
  return { shown, toggle };
}

/**
 * A table of any length: only the rows in view are there. Sorted by its headings, moved through with `j` `k`, opened
 * with Enter, selected with Space. While the pointer is over it, rows change in place and keep their order.
 */
export function DataTable<Row>(props: Props<Row>) {
  const { label, name, rows, columns, rowKey, sort, onSort, onOpen, selected, onSelect, card, token = "" } = props;
  const narrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const [density] = useDensity();
  const { shown } = useColumns(name, columns);
  const frame = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [anchor, setAnchor] = useState<string | null>(null);
  const [held, setHeld] = useState<{ token: string; keys: readonly string[] } | null>(null);

  const now = `${token}|${sort.id}|${sort.desc}`;
  const sorted = useMemo(() => {
    const column = columns.find((one) => one.id === sort.id);
    return column?.sort ? sortRows(rows, column.sort, sort.desc) : rows;
  }, [rows, columns, sort.id, sort.desc]);
  const ordered = useMemo(
    () => (held?.token === now ? inHeldOrder(sorted, rowKey, held.keys) : sorted),
    [sorted, held, now, rowKey],
  );
  const keys = useMemo(() => ordered.map(rowKey), [ordered, rowKey]);

  const height = narrow ? (props.cardHeight ?? 76) : density === "compact" ? 32 : 44;
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised by the compiler
  const virtual = useVirtualizer({
    count: ordered.length,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    overscan: OVERSCAN,
    getItemKey: (index) => keys[index] ?? index,
  });

  const template = [
    ...(onSelect ? ["40px"] : []),
    ...shown.map((column) => (column.grow ? `minmax(${column.width}px, ${column.width}fr)` : `${column.width}px`)),
  ].join(" ");
  const width = shown.reduce((sum, column) => sum + column.width, (onSelect ? 40 : 0) + 16);

  const select = (key: string, range: boolean) => {
    if (!onSelect || !selected) return;
    if (range && anchor) {
      onSelect(withRange(selected, keys, anchor, key));
    } else {
      const next = new Set(selected);
      if (!next.delete(key)) next.add(key);
      onSelect(next);
    }
    setAnchor(key);
  };

  const goTo = (index: number) => {
    const place = Math.max(0, Math.min(ordered.length - 1, index));
    const key = keys[place];
    if (key === undefined) return;
    setCursor(key);
    virtual.scrollToIndex(place);
    requestAnimationFrame(() => {
      frame.current?.querySelector<HTMLElement>(`[data-place="${place}"]`)?.focus({ preventScroll: true });
    });
  };
  const at = cursor === null ? -1 : keys.indexOf(cursor);
  useKey("j", () => goTo(at + 1));
  useKey("k", () => goTo(at < 0 ? 0 : at - 1));

  /** The row that an event happened in. Rows have no handlers of their own, so that those that did not change stay. */
  const rowOf = (target: EventTarget): { row: Row; index: number; element: HTMLElement } | null => {
    const element = target instanceof Element ? target.closest<HTMLElement>("[data-place]") : null;
    const index = Number(element?.dataset["place"] ?? -1);
    const row = ordered[index];
    return element && row !== undefined ? { row, index, element } : null;
  };

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const on = rowOf(event.target);
    if (on === null || event.target !== on.element) return;
    const { row, index } = on;
    const page = Math.max(1, Math.floor((frame.current?.clientHeight ?? 400) / height) - 2);
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -index, End: ordered.length }[event.key];
    if (move !== undefined) goTo(index + move);
    else if (event.key === "Enter" && onOpen) onOpen(row);
    else if ((event.key === " " || event.key === "x") && onSelect) select(rowKey(row), event.shiftKey);
    else return;
    event.preventDefault();
  };

  const onClick = (event: MouseEvent<HTMLDivElement>) => {
    const on = rowOf(event.target);
    if (on === null || !(event.target instanceof Element)) return;
    if (event.target.closest("input[type=checkbox]")) {
      select(rowKey(on.row), event.shiftKey);
      return;
    }
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (onOpen && !modified && event.target.closest("a[data-opens]")) {
      event.preventDefault();
      onOpen(on.row);
      return;
    }
    if (event.target.closest("a, button, input, label") || window.getSelection()?.toString()) return;
    onOpen?.(on.row);
  };

  const all = selected !== undefined && ordered.length > 0 && keys.every((key) => selected.has(key));
  const some = selected !== undefined && !all && keys.some((key) => selected.has(key));
  const items = virtual.getVirtualItems();
  const entry = cursor !== null && items.some((item) => keys[item.index] === cursor) ? at : (items[0]?.index ?? 0);

  return (
    <div className={classes.outer}>
      <div
        ref={frame}
        className={classes.frame}
        role="grid"
        aria-label={label}
        aria-rowcount={ordered.length + 1}
        aria-multiselectable={onSelect ? true : undefined}
        data-density={density}
        data-narrow={narrow || undefined}
        onPointerEnter={(event) => {
          if (event.pointerType === "mouse") setHeld({ token: now, keys });
        }}
        onPointerLeave={() => setHeld(null)}
      >
        <div role="rowgroup" className={classes.head} style={narrow ? {} : { minWidth: width }}>
          <div
            role="row"
            aria-rowindex={1}
            className={classes.headRow}
            style={narrow ? {} : { gridTemplateColumns: template }}
          >
            {onSelect ? (
              <div role="columnheader" className={classes.check} aria-label="Selection">
                <input
                  type="checkbox"
                  className={classes.box}
                  aria-label={all ? "Select none" : `Select all ${ordered.length}`}
                  checked={all}
                  ref={(element) => {
                    if (element) element.indeterminate = some;
                  }}
                  onChange={() => onSelect(all ? new Set() : new Set(keys))}
                />
              </div>
            ) : null}
            {narrow ? (
              <div role="columnheader" className={classes.narrowHead}>
                {ordered.length.toLocaleString()} {ordered.length === 1 ? "row" : "rows"}
              </div>
            ) : (
              shown.map((column) => (
                <Heading key={column.id} column={column} sort={sort} onSort={onSort} />
              ))
            )}
          </div>
        </div>
        {ordered.length === 0 ? null : (
          // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- hears what happens in its rows
          <div
            role="rowgroup"
            className={classes.body}
            style={{ height: virtual.getTotalSize(), ...(narrow ? {} : { minWidth: width }) }}
            onFocus={(event) => {
              const on = rowOf(event.target);
              if (on) setCursor(rowKey(on.row));
            }}
            onKeyDown={onKeyDown}
            onClick={onClick}
          >
            {items.map((item) => {
              const row = ordered[item.index];
              if (row === undefined) return null;
              const key = rowKey(row);
              return (
                <TableRow
                  key={item.key}
                  row={row}
                  name={onSelect ? (props.rowName?.(row) ?? key) : null}
                  place={item.index}
                  start={item.start}
                  height={item.size}
                  template={narrow ? null : template}
                  columns={shown as readonly Column<unknown>[]}
                  card={card as (row: unknown) => ReactNode}
                  selected={selected?.has(key) ?? false}
                  openable={onOpen !== undefined}
                  entry={item.index === entry}
                />
              );
            })}
          </div>
        )}
      </div>
      {ordered.length === 0 ? <div className={classes.empty}>{props.empty}</div> : null}
    </div>
  );
}

interface RowProps {
  row: unknown;
  /** For the box that selects it; null where rows are not selected. */
  name: string | null;
  place: number;
  start: number;
  height: number;
  /** Widths of columns; null where the window is narrow. */
  template: string | null;
  columns: readonly Column<unknown>[];
  card: (row: unknown) => ReactNode;
  selected: boolean;
  openable: boolean;
  entry: boolean;
}

/**
 * The link of a row to its own page. The table follows it, so that it costs no more than what it is: dozens of them are
 * made with every sorting, and a router's link watches every change of the address.
 */
export function RowLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <a href={href} className={classes.link} data-opens tabIndex={-1}>
      {children}
    </a>
  );
}

/** One row; made anew only where something in it changed. */
const TableRow = memo(function TableRow(props: RowProps) {
  const { row, name, place, start, height, template, columns, card, selected, openable, entry } = props;
  return (
    <div
      role="row"
      aria-rowindex={place + 2}
      aria-selected={name === null ? undefined : selected}
      data-place={place}
      data-selected={selected || undefined}
      data-openable={openable || undefined}
      tabIndex={entry ? 0 : -1}
      className={classes.row}
      style={{
        transform: `translateY(${start}px)`,
        height,
        ...(template === null ? {} : { gridTemplateColumns: template }),
      }}
    >
      {name === null ? null : (
        <div role="gridcell" className={classes.check}>
          <input
            type="checkbox"
            className={classes.box}
            tabIndex={-1}
            aria-label={`Select ${name}`}
            checked={selected}
            readOnly
          />
        </div>
      )}
      {template === null ? (
        <div role="gridcell" className={classes.card}>
          {card(row)}
        </div>
      ) : (
        columns.map((column) => (
          <div key={column.id} role="gridcell" className={classes.cell} data-align={column.align}>
            {column.cell(row)}
          </div>
        ))
      )}
    </div>
  );
});

function Heading<Row>({ column, sort, onSort }: { column: Column<Row>; sort: Sort; onSort: (sort: Sort) => void }) {
  const active = sort.id === column.id;
  const direction = active ? (sort.desc ? "descending" : "ascending") : "none";
  return (
    <div role="columnheader" aria-sort={column.sort ? direction : undefined} className={classes.heading} data-align={column.align}>
      {column.sort ? (
        <UnstyledButton
          className={classes.sorter ?? ""}
          data-active={active || undefined}
          onClick={() => onSort({ id: column.id, desc: active ? !sort.desc : (column.descFirst ?? false) })}
        >
          {column.header}
          {active ? sort.desc ? <IconArrowDown size={13} aria-hidden /> : <IconArrowUp size={13} aria-hidden /> : null}
        </UnstyledButton>
      ) : (
        column.header
      )}
    </div>
  );
}

export const NOTHING_SELECTED: ReadonlySet<string> = new Set(NONE);
