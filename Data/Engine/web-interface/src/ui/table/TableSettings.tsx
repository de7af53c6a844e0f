import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { useDensity } from "../preferences";
import { useColumns, type Column } from "./DataTable";

/** Which columns a table shows, and how close its rows stand. */
export function TableSettings<Row>({ name, columns }: { name: string; columns: readonly Column<Row>[] }) {
  const { shown, toggle } = useColumns(name, columns);
  const [density, setDensity] = useDensity();
  return (
    <Menu closeOnItemClick={false} position="bottom-end" width={220}>
      <Menu.Target>
        <Tooltip label="Columns and density">
          <ActionIcon variant="default" size="lg" aria-label="Columns and density" visibleFrom="sm">
            <IconColumns3 size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Rows</Menu.Label>
        <Menu.RadioGroup value={density} onChange={(value) => setDensity(value === "compact" ? "compact" : "comfortable")}>
          <Menu.RadioItem value="comfortable">Comfortable</Menu.RadioItem>
          <Menu.RadioItem value="compact">Compact</Menu.RadioItem>
        </Menu.RadioGroup>
        <Menu.Label>Columns</Menu.Label>
        {columns
          .filter((column) => !column.always)
          .map((column) => {
            const on = shown.includes(column);
            return (
              <Menu.CheckboxItem key={column.id} checked={on} onChange={() => toggle(column.id)}>
                {column.header}
              </Menu.CheckboxItem>
            );
          })}
      </Menu.Dropdown>
    </Menu>
  );
}
