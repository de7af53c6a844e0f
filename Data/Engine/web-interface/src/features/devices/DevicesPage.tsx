import { ActionIcon, Button, Group, Text, Tooltip } from "@mantine/core";
import { IconDownload, IconPlugConnected, IconX } from "@tabler/icons-react";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { startTransition, useCallback, useDeferredValue, useMemo, useState } from "react";
import { useAgentBuild } from "@/features/overview/queries";
import { useNow } from "@/ui/clock";
import { devicesOf } from "@/ui/count";
import { csv, download } from "@/ui/download";
import { TextLink } from "@/ui/links";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { useDensity } from "@/ui/preferences";
import { DataTable, useColumns } from "@/ui/table/DataTable";
import { TableSettings } from "@/ui/table/TableSettings";
import { BulkBar } from "./BulkBar";
import { COLUMNS, DeviceCard, exportRows } from "./columns";
import {
  countStates,
  filterDevices,
  isNarrowed,
  sortOf,
  sortText,
  type DeviceSearch,
} from "./filter";
import { OtherFilters, StateFilter, useSystems } from "./FilterBar";
import { useDevices } from "./queries";
import { SavedFilters } from "./SavedFilters";
import type { Device } from "./state";
import { useOpened } from "./useSaved";
import { useSearchText } from "./useSearchText";

const route = getRouteApi("/shell/devices");
const NO_DEVICES: readonly Device[] = [];
const keyOf = (device: Device) => device.guid;
const nameOf = (device: Device) => device.hostname;
const tableSettings = <TableSettings name="devices" columns={COLUMNS} />;
const card = (device: Device) => <DeviceCard device={device} />;

/** Every device: found, narrowed, sorted, selected, changed. */
export function DevicesPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const asked = useDevices();
  const now = useNow();
  const [selected, select] = useState<Set<string>>(new Set());
  const change = useCallback(
    (next: DeviceSearch) => {
      const merged = { ...search, ...next };
      const clean = Object.fromEntries(Object.entries(merged).filter(([, value]) => value));
      void navigate({ to: "/devices", search: clean, replace: true });
    },
    [navigate, search],
  );

  const opened = useOpened(search, (next) => void navigate({ to: "/devices", search: next, replace: true }));
  const { shown: columns } = useColumns("devices", COLUMNS);
  const [density] = useDensity();
  const look = useMemo(() => ({ columns: columns.map((column) => column.id), density }), [columns, density]);

  const devices = useDeferredValue(asked.data ?? NO_DEVICES);
  const { text: query, epoch, type, clear } = useSearchText(search.q ?? "", (q) => change({ q }));
  const minute = Math.floor(now / 60) * 60;
  const build = useAgentBuild(search.agent !== undefined);
  const wanted = useMemo(() => ({ ...search, q: query }), [search, query]);
  const shown = useMemo(() => filterDevices(devices, wanted, minute, build), [devices, wanted, minute, build]);
  const counts = useMemo(() => countStates(devices), [devices]);
  const systems = useSystems(devices);
  const chosen = useMemo(() => devices.filter((device) => selected.has(device.guid)), [devices, selected]);
  const narrowed = isNarrowed(search) || query !== "";
  const token = JSON.stringify(wanted);
  const saving = useMemo(() => ({ ...search, ...(query ? { q: query } : {}) }), [search, query]);
  const open = useCallback((saved: DeviceSearch) => void navigate({ to: "/devices", search: saved }), [navigate]);

  return (
    <Page
      fill
      title="Devices"
      about={
        asked.data
          ? narrowed
            ? `${shown.length.toLocaleString()} of ${devicesOf(devices.length)}`
            : `${devicesOf(devices.length)}, ${counts.online.toLocaleString()} online`
          : null
      }
      actions={
        <>
          <SavedFilters
            search={saving}
            look={look}
            current={opened.saved}
            onOpen={open}
          />
          <Tooltip label="Export what is shown as CSV">
            <ActionIcon
              variant="default"
              size="lg"
              aria-label="Export what is shown as CSV"
              disabled={shown.length === 0}
              onClick={() => download("devices.csv", csv(exportRows(shown)), "text/csv")}
            >
              <IconDownload size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
          {tableSettings}
        </>
      }
    >
      <Group gap="xs" align="flex-start">
        <QuickSearch
          key={epoch}
          value={query}
          onChange={type}
        />
        <StateFilter value={search.state} counts={counts} onChange={change} />
        <OtherFilters site={search.site} os={search.os} older={search.older} systems={systems} onChange={change} />
        {search.agent ? (
          <Button variant="light" rightSection={<IconX size={14} aria-hidden />} title="Show all builds" onClick={() => change({ agent: "" })}>
            Agents out of date
          </Button>
        ) : null}
        {narrowed || search.filter || search.view ? (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => {
              clear();
              void navigate({ to: "/devices", search: search.sort ? { sort: search.sort } : {} });
            }}
          >
            Show all
          </Button>
        ) : null}
      </Group>
      <ErrorNote error={asked.error} what="The list could not be read" onRetry={() => void asked.refetch()} />
      <ErrorNote error={opened.error} what={`The saved ${search.view ? "view" : "filter"} could not be opened`} />
      <BulkBar devices={chosen} onClear={() => select(new Set())} />
      {asked.isPending || opened.opening ? (
        <Loading what="Reading the list of devices…" />
      ) : (
        <DataTable
          label="Devices"
          name="devices"
          rows={shown}
          columns={COLUMNS}
          rowKey={keyOf}
          rowName={nameOf}
          sort={sortOf(search)}
          onSort={(sort) => change({ sort: sortText(sort) ?? "" })}
          onOpen={(device) => void navigate({ to: "/devices/$guid", params: { guid: device.guid } })}
          selected={selected}
          onSelect={select}
          card={card}
          cardHeight={64}
          token={token}
          empty={
            devices.length === 0 ? (
              <EmptyState
                title="No devices yet"
                icon={IconPlugConnected}
                action={
                  <Button component={Link} to="/enrol" mt="sm">
                    Enrol the first device
                  </Button>
                }
              >
                Make an enrolment token, run one command on the device, approve it here.
              </EmptyState>
            ) : (
              <EmptyState title="No device is like that">
                <Text size="sm" component="span">
                  {devices.length.toLocaleString()} devices are hidden by the filters.{" "}
                  <TextLink to="/devices" size="sm">
                    Show all
                  </TextLink>
                </Text>
              </EmptyState>
            )
          }
        />
      )}
    </Page>
  );
}

/** Typing is shown at once; the list follows when there is time. */
function QuickSearch({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  return (
    <SearchBox
      label="Search devices"
      w={{ base: "100%", xs: 280 }}
      placeholder="Name, user, address…"
      value={typed}
      onChange={(next) => {
        setTyped(next);
        startTransition(() => onChange(next));
      }}
    />
  );
}
