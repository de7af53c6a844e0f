import { ActionIcon, Button, Group, MultiSelect, Select, Text, Tooltip } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconDownload, IconPlugConnected } from "@tabler/icons-react";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { startTransition, useCallback, useDeferredValue, useMemo, useState } from "react";
import { useSites } from "@/features/sites/queries";
import { useNow } from "@/ui/clock";
import { csv, download } from "@/ui/download";
import { TextLink } from "@/ui/links";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { DataTable } from "@/ui/table/DataTable";
import { TableSettings } from "@/ui/table/TableSettings";
import { BulkBar } from "./BulkBar";
import { COLUMNS, DeviceCard, exportRows } from "./columns";
import {
  countStates,
  filterDevices,
  isNarrowed,
  listOf,
  OLDER,
  sortOf,
  sortText,
  type DeviceSearch,
} from "./filter";
import { useDevices } from "./queries";
import { SavedFilters } from "./SavedFilters";
import { STATE_WORDS, STATES, type Device } from "./state";

const route = getRouteApi("/shell/devices");
const NO_DEVICES: readonly Device[] = [];
/** The address follows the typing after a pause. */
const ADDRESS_MS = 300;
const keyOf = (device: Device) => device.guid;
const nameOf = (device: Device) => device.hostname;
const card = (device: Device) => <DeviceCard device={device} />;

/** Every device: found, narrowed, sorted, selected, changed. */
export function DevicesPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const asked = useDevices();
  const sites = useSites();
  const now = useNow();
  const [selected, select] = useState<Set<string>>(new Set());
  const [query, setQuery] = useState(search.q ?? "");
  const [sent, setSent] = useState(search.q ?? "");
  const [epoch, setEpoch] = useState(0);

  // The address changed by itself (a saved filter, the way back): the field begins anew with it.
  if ((search.q ?? "") !== sent) {
    setSent(search.q ?? "");
    setQuery(search.q ?? "");
    setEpoch(epoch + 1);
  }

  const change = useCallback(
    (next: DeviceSearch) => {
      const merged = { ...search, ...next };
      const clean = Object.fromEntries(Object.entries(merged).filter(([, value]) => value));
      void navigate({ to: "/devices", search: clean, replace: true });
    },
    [navigate, search],
  );

  const devices = useDeferredValue(asked.data ?? NO_DEVICES);
  const toAddress = useDebouncedCallback((q: string) => {
    setSent(q);
    change({ q });
  }, ADDRESS_MS);
  const minute = Math.floor(now / 60) * 60;
  const wanted = useMemo(() => ({ ...search, q: query }), [search, query]);
  const shown = useMemo(() => filterDevices(devices, wanted, minute), [devices, wanted, minute]);
  const counts = useMemo(() => countStates(devices), [devices]);
  const systems = useMemo(
    () => [...new Set(devices.map((device) => device.operating_system).filter(Boolean))].sort(),
    [devices],
  );
  const chosen = useMemo(() => devices.filter((device) => selected.has(device.guid)), [devices, selected]);
  const narrowed = isNarrowed(search) || query !== "";
  const token = JSON.stringify(wanted);

  return (
    <Page
      fill
      title="Devices"
      about={
        asked.data
          ? narrowed
            ? `${shown.length.toLocaleString()} of ${devices.length.toLocaleString()} devices`
            : `${devices.length.toLocaleString()} devices, ${counts.online.toLocaleString()} online`
          : null
      }
      actions={
        <>
          <SavedFilters
            search={{ ...search, ...(query ? { q: query } : {}) }}
            onOpen={(saved) => void navigate({ to: "/devices", search: saved })}
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
          <TableSettings name="devices" columns={COLUMNS} />
        </>
      }
    >
      <Group gap="xs" align="flex-start">
        <QuickSearch
          key={epoch}
          value={query}
          onChange={(value) => {
            setQuery(value);
            toAddress(value);
          }}
        />
        <MultiSelect
          aria-label="State"
          placeholder={search.state ? "" : "Any state"}
          w={{ base: "calc(50% - 5px)", xs: 170 }}
          clearable
          data={STATES.map((state) => ({ value: state, label: `${STATE_WORDS[state]} (${counts[state]})` }))}
          value={listOf(search.state)}
          onChange={(value) => change({ state: value.join(",") })}
        />
        <MultiSelect
          aria-label="Site"
          placeholder={search.site ? "" : "Any site"}
          w={{ base: "calc(50% - 5px)", xs: 190 }}
          clearable
          searchable
          data={[
            { value: "none", label: "No site" },
            ...(sites.data ?? []).map((site) => ({ value: String(site.id), label: site.name })),
          ]}
          value={listOf(search.site)}
          onChange={(value) => change({ site: value.join(",") })}
        />
        <MultiSelect
          aria-label="Operating system"
          placeholder={search.os ? "" : "Any system"}
          w={{ base: "100%", xs: 200 }}
          visibleFrom="sm"
          clearable
          searchable
          data={systems}
          value={listOf(search.os, "|")}
          onChange={(value) => change({ os: value.join("|") })}
        />
        <Select
          aria-label="Last seen"
          placeholder="Seen at any time"
          w={{ base: "calc(50% - 5px)", xs: 190 }}
          clearable
          data={
            search.older && !OLDER.some((one) => one.value === search.older)
              ? [...OLDER, { value: search.older, label: `Not seen for ${search.older}` }]
              : [...OLDER]
          }
          value={search.older ?? null}
          onChange={(value) => change({ older: value ?? "" })}
        />
        {narrowed ? (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => {
              setQuery("");
              setEpoch(epoch + 1);
              toAddress.cancel();
              setSent("");
              void navigate({ to: "/devices", search: search.sort ? { sort: search.sort } : {} });
            }}
          >
            Show all
          </Button>
        ) : null}
      </Group>
      <ErrorNote error={asked.error} what="The list could not be read" onRetry={() => void asked.refetch()} />
      <BulkBar devices={chosen} onClear={() => select(new Set())} />
      {asked.isPending ? (
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
