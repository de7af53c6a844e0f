import { ActionIcon, Menu, SegmentedControl, Tooltip } from "@mantine/core";
import { IconCheck, IconColumns3 } from "@tabler/icons-react";
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
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label="Density"
          value={density}
          onChange={(value) => setDensity(value)}
          data={[
            { value: "comfortable", label: "Comfortable" },
            { value: "compact", label: "Compact" },
          ]}
        />
        <Menu.Label>Columns</Menu.Label>
        {columns
          .filter((column) => !column.always)
          .map((column) => {
            const on = shown.includes(column);
            return (
              <Menu.Item
                key={column.id}
                role="menuitemcheckbox"
                aria-checked={on}
                leftSection={<IconCheck size={14} aria-hidden opacity={on ? 1 : 0} />}
                onClick={() => toggle(column.id)}
              >
                {column.header}
              </Menu.Item>
            );
          })}
      </Menu.Dropdown>
    </Menu>
  );
}
