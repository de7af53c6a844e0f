import { Button, FileButton, Group, Modal, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { IconFileImport, IconPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useState } from "react";
import { api, take } from "@/api/client";
import { useMay, useMe } from "@/app/session";
import { ButtonLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { DataTable, type Column } from "@/ui/table/DataTable";
import { TableSettings } from "@/ui/table/TableSettings";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { filterScripts, type ScriptsSearch } from "./find";
import { DOMAINS, domainWord, SCRIPTS, useLibraryFeed, useScripts, type Domain, type ScriptItem } from "./queries";

const route = getRouteApi("/shell/scripts");
const NONE: readonly ScriptItem[] = [];
const keyOf = (item: ScriptItem) => item.assembly_guid;
const nameOf = (item: ScriptItem) => item.display_name;

const COLUMNS: readonly Column<ScriptItem>[] = [
  {
    id: "name",
    header: "Name",
    width: 240,
    grow: true,
    always: true,
    sort: (item) => item.display_name,
    cell: (item) => (
      <TextLink to="/scripts/$guid" params={{ guid: item.assembly_guid }} preload={false} size="sm" fw={550} c="inherit" truncate tabIndex={-1}>
        {item.display_name}
      </TextLink>
    ),
  },
  { id: "type", header: "Type", width: 110, sort: (item) => item.assembly_type, cell: (item) => item.assembly_type || item.assembly_kind },
  { id: "category", header: "Category", width: 140, sort: (item) => item.category, cell: (item) => <Text size="sm" truncate>{item.category}</Text> },
  { id: "domain", header: "Domain", width: 110, sort: (item) => item.domain, cell: (item) => domainWord(item.domain) },
  { id: "summary", header: "What it does", width: 280, grow: true, cell: (item) => <Text size="sm" c="dimmed" truncate title={item.summary}>{item.summary}</Text> },
  { id: "version", header: "Version", width: 80, align: "right", sort: (item) => item.version, cell: (item) => item.version },
  { id: "updated", header: "Changed", width: 132, descFirst: true, sort: (item) => item.updated_at, cell: (item) => <TimeAgo at={item.updated_at} /> },
  { id: "by", header: "By", width: 120, sort: (item) => item.updated_by, cell: (item) => <Text size="sm" truncate>{item.updated_by}</Text> },
];

const card = (item: ScriptItem) => (
  <>
    <Group justify="space-between" wrap="nowrap" gap="xs">
      <TextLink to="/scripts/$guid" params={{ guid: item.assembly_guid }} preload={false} size="sm" fw={550} c="inherit" truncate>
        {item.display_name}
      </TextLink>
      <Text size="xs" c="dimmed">
        {item.assembly_type || item.assembly_kind}
      </Text>
    </Group>
    <Text size="xs" c="dimmed" truncate>
      {[domainWord(item.domain), item.category, item.summary].filter(Boolean).join(" · ")}
    </Text>
  </>
);

/** The library: every script, playbook and workflow that is kept. */
export function ScriptsPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const mayEdit = useMay("scripts.edit");
  useLibraryFeed();
  const deleted = search.deleted === "yes";
  const asked = useScripts(deleted);
  const [importing, setImporting] = useState(false);
  const [sort, setSort] = useState({ id: "name", desc: false });
  const items = asked.data ?? NONE;
  const wanted = useDeferredValue(search);
  const shown = useMemo(() => filterScripts(items, wanted), [items, wanted]);
  const categories = useMemo(() => [...new Set(items.map((item) => item.category).filter(Boolean))].sort(), [items]);
  const narrowed = Boolean(search.q ?? search.domain ?? search.category);

  const change = (next: ScriptsSearch) => {
    const merged = Object.entries({ ...search, ...next }).filter(([, value]) => value);
    void navigate({ to: "/scripts", search: Object.fromEntries(merged), replace: true });
  };

  return (
    <Page
      fill
      title="Scripts"
      about={
        asked.data
          ? `${narrowed ? `${shown.length.toLocaleString()} of ` : ""}${items.length.toLocaleString()} ${deleted ? "deleted " : ""}${items.length === 1 ? "script" : "scripts"}`
          : null
      }
      actions={
        <>
          {mayEdit ? (
            <>
              <Button variant="default" leftSection={<IconFileImport size={16} aria-hidden />} onClick={() => setImporting(true)}>
                Import
              </Button>
              <ButtonLink to="/scripts/$guid" params={{ guid: "new" }} leftSection={<IconPlus size={16} aria-hidden />}>
                New script
              </ButtonLink>
            </>
          ) : null}
          <TableSettings name="scripts" columns={COLUMNS} />
        </>
      }
    >
      <Group gap="xs">
        <SearchBox label="Search scripts" placeholder="Name, category, what it does…" value={search.q ?? ""} onChange={(q) => change({ q })} />
        <Select
          aria-label="Domain"
          placeholder="Any domain"
          w={{ base: "calc(50% - 5px)", xs: 150 }}
          clearable
          data={[...DOMAINS]}
          value={search.domain ?? null}
          onChange={(value) => change({ domain: value ?? "" })}
        />
        <Select
          aria-label="Category"
          placeholder="Any category"
          w={{ base: "calc(50% - 5px)", xs: 170 }}
          clearable
          searchable
          data={categories}
          value={search.category ?? null}
          onChange={(value) => change({ category: value ?? "" })}
        />
        <SegmentedControl
          size="xs"
          aria-label="Which scripts"
          value={deleted ? "yes" : "no"}
          onChange={(value) => change({ deleted: value === "yes" ? "yes" : "" })}
          data={[
            { value: "no", label: "Library" },
            { value: "yes", label: "Deleted" },
          ]}
        />
      </Group>
      <ErrorNote error={asked.error} what="The library could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data ? (
        <DataTable
          label="Scripts"
          name="scripts"
          rows={shown}
          columns={COLUMNS}
          rowKey={keyOf}
          rowName={nameOf}
          sort={sort}
          onSort={setSort}
          onOpen={(item) => void navigate({ to: "/scripts/$guid", params: { guid: item.assembly_guid }, search: deleted ? { tab: "versions" } : {} })}
          card={card}
          cardHeight={64}
          token={JSON.stringify(search)}
          empty={
            narrowed ? (
              <EmptyState title="No script is like that">Widen what is asked for.</EmptyState>
            ) : deleted ? (
              <EmptyState title="Nothing was deleted">What is deleted stays here with all its versions, and can be brought back.</EmptyState>
            ) : (
              <EmptyState
                title="The library is empty"
                action={
                  mayEdit ? (
                    <ButtonLink to="/scripts/$guid" params={{ guid: "new" }} mt="sm">
                      Write the first script
                    </ButtonLink>
                  ) : null
                }
              >
                Keep scripts here with their variables, files and versions; import those that you have from another Borealis.
              </EmptyState>
            )
          }
        />
      ) : null}
      <Import opened={importing} onClose={() => setImporting(false)} />
    </Page>
  );
}

interface Result {
  file: string;
  guid?: string;
  name?: string;
  /** The script of the file is here already and was kept; this is another one. */
  another?: boolean;
  error?: unknown;
}

/** The GUID that a document says is its own; empty where it says none. */
function guidOf(document: string): string {
  try {
    const { assembly_guid: guid } = JSON.parse(document) as { assembly_guid?: unknown };
    return typeof guid === "string" ? guid.trim().toLowerCase() : "";
  } catch {
    return "";
  }
}

/** Take in exports of this or another Borealis, or documents of upstream's. */
function Import({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const client = useQueryClient();
  const me = useMe();
  const [domain, setDomain] = useState<Domain>("user");
  const take_in = useMutation({
    mutationFn: async (files: readonly File[]): Promise<Result[]> => {
      const results: Result[] = [];
      for (const file of files) {
        try {
          const document = await file.text();
          const made = await take(api.POST("/api/assemblies/import", { body: { document, domain } }));
          const own = guidOf(document);
          results.push({ file: file.name, guid: made.assembly_guid, name: made.display_name, another: own !== "" && own !== made.assembly_guid });
        } catch (error) {
          results.push({ file: file.name, error });
        }
      }
      return results;
    },
    onSuccess: (results) => {
      const good = results.filter((one) => one.guid).length;
      if (good > 0) told(good === 1 ? "One script was imported." : `${good} scripts were imported.`);
    },
    onSettled: () => client.invalidateQueries({ queryKey: SCRIPTS }),
  });
  const close = () => {
    take_in.reset();
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title="Import scripts" centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="md">
        <Text size="sm">
          Files that a Borealis exported (JSON), one script in each. A script that is here already is kept: the import then becomes
          another one.
        </Text>
        {me?.role === "Admin" ? (
          <Select label="Into the domain" allowDeselect={false} data={[...DOMAINS]} value={domain} onChange={(value) => setDomain((value ?? "user"))} />
        ) : null}
        <FileButton multiple accept="application/json,.json" onChange={(files) => files.length > 0 && take_in.mutate(files)}>
          {(props) => (
            <Button {...props} loading={take_in.isPending} leftSection={<IconFileImport size={16} aria-hidden />}>
              Choose files
            </Button>
          )}
        </FileButton>
        <ErrorNote error={take_in.error} />
        {(take_in.data ?? []).map((result, place) =>
          result.guid ? (
            <Text key={place} size="sm" style={{ overflowWrap: "anywhere" }}>
              {result.file}:{" "}
              <TextLink to="/scripts/$guid" params={{ guid: result.guid }} size="sm">
                {result.name || "imported"}
              </TextLink>
              {result.another ? " · the one with its GUID was kept, this is another" : ""}
            </Text>
          ) : (
            <ErrorNote key={place} error={result.error} what={`${result.file} was not imported`} />
          ),
        )}
      </Stack>
    </Modal>
  );
}
