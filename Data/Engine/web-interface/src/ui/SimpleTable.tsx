import { Table, VisuallyHidden } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import type { ReactNode } from "react";
import classes from "./SimpleTable.module.css";

interface Props {
  label: string;
  /** Names of the columns; an empty one is of buttons. */
  head: readonly string[];
  rows: readonly { key: string; cells: readonly ReactNode[] }[];
}

/** A short table as it is; where the window is narrow, each row stands for itself with its names beside it. */
export function SimpleTable({ label, head, rows }: Props) {
  const narrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  if (narrow) {
    return (
      <ul className={classes.list} aria-label={label}>
        {rows.map((row) => (
          <li key={row.key} className={classes.item}>
            {row.cells.map((cell, place) =>
              cell === null || cell === "" || cell === undefined ? null : (
                <div key={head[place]} className={classes.pair} data-bare={head[place] === "" || undefined}>
                  {head[place] ? <span className={classes.name}>{head[place]}</span> : null}
                  <div className={classes.value}>{cell}</div>
                </div>
              ),
            )}
          </li>
        ))}
      </ul>
    );
  }
  return (
    <Table.ScrollContainer minWidth={480} type="native" pos="relative" tabIndex={0} role="region" aria-label={label}>
      <Table verticalSpacing={6} horizontalSpacing="sm" fz="sm" aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {head.map((name) => (
              <Table.Th key={name} fz="xs" c="dimmed">
                {name || <VisuallyHidden>Actions</VisuallyHidden>}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.key}>
              {row.cells.map((cell, place) => (
                <Table.Td key={head[place]} className={classes.cell ?? ""}>
                  {cell}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
