import { ActionIcon, Group, Text, Tooltip } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useDeferredValue, useMemo, useState } from "react";
import { csv, download } from "@/ui/download";
import { EmptyState } from "@/ui/EmptyState";
import { SearchBox } from "@/ui/SearchBox";
import { DataTable, type Column } from "@/ui/table/DataTable";
import type { Sort } from "@/ui/table/rows";
import { bytes } from "@/ui/time";
import { number, part, parts, text } from "./inventory";
import { NoInventory } from "./NoInventory";
import { useThisDevice } from "./useThisDevice";

interface Program {
  key: string;
  name: string;
  version: string;
  publisher: string;
  source: string;
  installed: string;
  size: number | null;
  about: string;
}

const COLUMNS: readonly Column<Program>[] = [
  { id: "name", header: "Name", width: 220, grow: true, always: true, cell: (one) => one.name, sort: (one) => one.name },
  { id: "version", header: "Version", width: 200, cell: (one) => one.version, sort: (one) => one.version },
  { id: "publisher", header: "Publisher", width: 200, grow: true, cell: (one) => one.publisher, sort: (one) => one.publisher },
  { id: "source", header: "Source", width: 110, cell: (one) => one.source, sort: (one) => one.source },
  { id: "installed", header: "Installed", width: 110, descFirst: true, cell: (one) => one.installed, sort: (one) => one.installed },
  { id: "size", header: "Size", width: 100, align: "right", descFirst: true, cell: (one) => (one.size ? bytes(one.size) : ""), sort: (one) => one.size },
];
const keyOf = (one: Program) => one.key;
const card = (one: Program) => (
  <div>
    <Text size="sm" fw={550} truncate>
      {one.name}
    </Text>
    <Text size="xs" c="dimmed" truncate>
      {[one.version, one.publisher].filter(Boolean).join(" · ")}
    </Text>
  </div>
);

/** What is installed; thousands of entries are found by a few letters. */
export function SoftwareTab() {
  const device = useThisDevice();
  const [query, setQuery] = useState("");
  const [sort, setSort] = useState<Sort>({ id: "name", desc: false });
  const details: unknown = device?.details;
  const all = useMemo(
    () =>
      parts(details, "software").map((one, place): Program => {
        const more = part(one, "metadata");
        return {
          key: String(place),
          name: text(one, "name"),
          version: text(one, "version"),
          source: text(one, "source"),
          publisher: text(more, "publisher"),
          installed: text(more, "installed_at"),
          size: number(more, "size"),
          about: text(more, "description"),
        };
      }),
    [details],
  );
  const words = useDeferredValue(query).toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = words.join(" ");
  const shown = useMemo(
    () =>
      all.filter((one) => {
        const where = `${one.name} ${one.version} ${one.publisher} ${one.about}`.toLowerCase();
        return wanted.split(" ").every((word) => where.includes(word));
      }),
    [all, wanted],
  );
  if (!device) return null;
  if (all.length === 0) return <NoInventory what="software" />;
  return (
    <div style={{ display: "flex", flexDirection: "column", gap: 12, height: "max(420px, calc(100dvh - 280px))" }}>
      <Group gap="xs" justify="space-between">
        <Group gap="xs">
          <SearchBox label="Search software" value={query} onChange={setQuery} />
          <Text size="sm" c="dimmed">
            {wanted ? `${shown.length} of ${all.length}` : `${all.length} entries`}
          </Text>
        </Group>
        <Tooltip label="Export what is shown as CSV">
          <ActionIcon
            variant="default"
            size="lg"
            aria-label="Export what is shown as CSV"
            onClick={() =>
              download(
                "software.csv",
                csv([
                  ["name", "version", "publisher", "source", "installed"],
                  ...shown.map((one) => [one.name, one.version, one.publisher, one.source, one.installed]),
                ]),
                "text/csv",
              )
            }
          >
            <IconDownload size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Group>
      <DataTable
        label="Software"
        name="software"
        rows={shown}
        columns={COLUMNS}
        rowKey={keyOf}
        sort={sort}
        onSort={setSort}
        card={card}
        cardHeight={56}
        token={wanted}
        empty={<EmptyState title="Nothing is called that" />}
      />
    </div>
  );
}
