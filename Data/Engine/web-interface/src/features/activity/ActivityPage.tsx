import { Button, Group, Select, Text } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { period } from "@/features/devices/filter";
import { useDevices } from "@/features/devices/queries";
import { RUNS, type Run } from "@/features/run/queries";
import { Lasted } from "@/features/run/RunRows";
import { RUN_STATES, whyOf } from "@/features/run/states";
import { useNow } from "@/ui/clock";
import { ButtonLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { StatusMark } from "@/ui/StatusMark";
import { DataTable, type Column } from "@/ui/table/DataTable";
import { TableSettings } from "@/ui/table/TableSettings";
import { TimeAgo } from "@/ui/TimeAgo";
import { exactly } from "@/ui/time";
import { narrow, reaches } from "./narrow";
import { SINCE, type ActivitySearch } from "./search";

const route = getRouteApi("/shell/activity");
const PAGE = 200;
/** So many pages are looked through by themselves for a time or a person; more on request. */
const BY_ITSELF = 10;
const keyOf = (run: Run) => run.run_id;
const nameOf = (run: Run) => `${run.script_name} on ${run.device}`;
const noSort = () => undefined;
const SORT = { id: "when", desc: true };

const COLUMNS: readonly Column<Run>[] = [
  { id: "when", header: "When", width: 132, always: true, cell: (run) => <TimeAgo at={run.created_at} /> },
  {
    id: "state",
    header: "State",
    width: 148,
    always: true,
    cell: (run) => <StatusMark status={run.status} detail={run.exit_code ? `exit ${run.exit_code}` : undefined} />,
  },
  {
    id: "script",
    header: "Script",
    width: 260,
    grow: true,
    always: true,
    cell: (run) => (
      <TextLink to="/runs/$runId" params={{ runId: run.run_id }} preload={false} size="sm" fw={550} c="inherit" truncate tabIndex={-1}>
        {run.script_name || run.script_type}
      </TextLink>
    ),
  },
  {
    id: "device",
    header: "Device",
    width: 180,
    grow: true,
    cell: (run) => (
      <TextLink to="/devices/$guid" params={{ guid: run.guid }} preload={false} size="sm" truncate tabIndex={-1}>
        {run.device}
      </TextLink>
    ),
  },
  { id: "by", header: "By", width: 130, cell: (run) => <Text size="sm" truncate>{run.created_by}</Text> },
  { id: "took", header: "Took", width: 90, align: "right", cell: (run) => <Lasted run={run} /> },
  {
    id: "job",
    header: "Job",
    width: 90,
    cell: (run) => (
      <TextLink to="/jobs/$jobId" params={{ jobId: run.job_id }} preload={false} size="sm" tabIndex={-1}>
        whole job
      </TextLink>
    ),
  },
  { id: "why", header: "Remark", width: 200, grow: true, cell: (run) => <Text size="sm" c="dimmed" truncate title={remark(run)}>{remark(run)}</Text> },
  { id: "context", header: "Runs as", width: 120, hidden: true, cell: (run) => (run.context === "system" ? "system" : "signed-in user") },
  { id: "type", header: "Type", width: 110, hidden: true, cell: (run) => run.script_type },
];

function remark(run: Run): string {
  return run.status === "Success" ? "" : whyOf(run);
}

const card = (run: Run) => (
  <>
    <Group justify="space-between" wrap="nowrap" gap="xs">
      <TextLink to="/runs/$runId" params={{ runId: run.run_id }} preload={false} size="sm" fw={550} c="inherit" truncate>
        {run.script_name || run.script_type}
      </TextLink>
      <StatusMark status={run.status} />
    </Group>
    <Text size="xs" c="dimmed" truncate>
      {run.device} · by {run.created_by} · <TimeAgo at={run.created_at} />
    </Text>
  </>
);

/** What was run in the fleet: by whom, where, when, and how it went. */
export function ActivityPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const now = useNow();
  const devices = useDevices();
  const mayStart = useMay("runs.start");
  const asked = useInfiniteQuery({
    queryKey: [...RUNS, "activity", search.device ?? "", search.status ?? ""],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/runs", {
          params: {
            query: {
              limit: PAGE,
              ...(search.device ? { device: search.device } : {}),
              ...(search.status ? { status: search.status } : {}),
              ...(pageParam === null ? {} : { before: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (page) => page.next,
  });
  const seconds = period(search.since);
  const oldest = seconds === null ? null : Math.floor(now / 60) * 60 - seconds;
  const pages = asked.data?.pages;
  const loaded = useMemo(() => pages?.flatMap((page) => page.runs) ?? [], [pages]);
  const runs = useMemo(() => narrow(loaded, search.by, oldest), [loaded, search.by, oldest]);
  const people = useMemo(() => [...new Set([...loaded.map((run) => run.created_by), ...(search.by ? [search.by] : [])])].sort(), [loaded, search.by]);
  const narrowed = Object.keys(search).length > 0;
  const complete = !asked.hasNextPage || reaches(loaded, oldest);
  const goesOn = (oldest !== null || search.by !== undefined) && !complete && (pages?.length ?? 0) < BY_ITSELF;

  const { fetchNextPage, isFetching } = asked;
  useEffect(() => {
    if (goesOn && !isFetching) void fetchNextPage();
  }, [goesOn, isFetching, fetchNextPage]);

  const change = (next: ActivitySearch) => {
    const merged = Object.entries({ ...search, ...next }).filter(([, value]) => value);
    void navigate({ to: "/activity", search: Object.fromEntries(merged), replace: true });
  };
  const last = loaded.at(-1);

  return (
    <Page
      fill
      title="Activity"
      about={asked.data ? `${runs.length.toLocaleString()} ${runs.length === 1 ? "run" : "runs"}${complete ? "" : ` of those since ${last ? exactly(last.created_at) : "now"}`}` : null}
      actions={
        <>
          {mayStart ? (
            <ButtonLink to="/run" leftSection={<IconPlayerPlay size={16} aria-hidden />}>
              Run a script
            </ButtonLink>
          ) : null}
          <TableSettings name="activity" columns={COLUMNS} />
        </>
      }
    >
      <Group gap="xs">
        <Select
          aria-label="Device"
          placeholder="Any device"
          w={{ base: "calc(50% - 5px)", xs: 200 }}
          clearable
          searchable
          limit={50}
          nothingFoundMessage="No device is called like that"
          data={deviceChoices(devices.data ?? [], search.device)}
          value={search.device ?? null}
          onChange={(value) => change({ device: value ?? "" })}
        />
        <Select
          aria-label="Person"
          placeholder="Anybody"
          w={{ base: "calc(50% - 5px)", xs: 160 }}
          clearable
          searchable
          data={people}
          value={search.by ?? null}
          onChange={(value) => change({ by: value ?? "" })}
        />
        <Select
          aria-label="State"
          placeholder="Any state"
          w={{ base: "calc(50% - 5px)", xs: 150 }}
          clearable
          data={RUN_STATES.map((state) => ({ value: state, label: state === "Timed Out" ? "Timed out" : state }))}
          value={search.status ?? null}
          onChange={(value) => change({ status: value ?? "" })}
        />
        <Select
          aria-label="Time"
          placeholder="Any time"
          w={{ base: "calc(50% - 5px)", xs: 160 }}
          clearable
          data={[...SINCE]}
          value={search.since ?? null}
          onChange={(value) => change({ since: value ?? "" })}
        />
        {narrowed ? (
          <Button variant="subtle" color="gray" onClick={() => void navigate({ to: "/activity", search: {} })}>
            Show all
          </Button>
        ) : null}
      </Group>
      <ErrorNote error={asked.error} what="The runs could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data ? (
        <DataTable
          label="Runs"
          name="activity"
          rows={runs}
          columns={COLUMNS}
          rowKey={keyOf}
          rowName={nameOf}
          sort={SORT}
          onSort={noSort}
          onOpen={(run) => void navigate({ to: "/runs/$runId", params: { runId: run.run_id } })}
          card={card}
          cardHeight={64}
          token={JSON.stringify(search)}
          empty={
            narrowed ? (
              <EmptyState title="No run is like that">{complete ? "Widen what is asked for." : "Look further back, below."}</EmptyState>
            ) : (
              <EmptyState title="Nothing was run yet">Choose devices and run a script; what it does is listed here, with its output.</EmptyState>
            )
          }
        />
      ) : null}
      {asked.hasNextPage && !goesOn && !reaches(loaded, oldest) ? (
        <Button variant="default" w="fit-content" loading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
          Older runs
        </Button>
      ) : null}
    </Page>
  );
}

function deviceChoices(devices: readonly { guid: string; hostname: string; site_name: string | null }[], chosen: string | undefined) {
  const names = new Map<string, number>();
  for (const device of devices) names.set(device.hostname, (names.get(device.hostname) ?? 0) + 1);
  const choices = devices.map((device) => ({
    value: device.guid,
    label: (names.get(device.hostname) ?? 0) > 1 ? `${device.hostname} (${device.site_name ?? "no site"}, ${device.guid.slice(0, 8)})` : device.hostname,
  }));
  // An address may name a device by its name, or one that is gone.
  if (chosen && !choices.some((one) => one.value === chosen)) choices.unshift({ value: chosen, label: chosen });
  return choices;
}
