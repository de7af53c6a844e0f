import { Button, Group, Select, Text } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconPlayerPlay } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { DeviceField } from "@/features/devices/DeviceField";
import { PersonField } from "@/features/operators/PersonField";
import { RUNS, type Run } from "@/features/run/queries";
import { Lasted } from "@/features/run/RunRows";
import { isOfJob, RUN_STATES, whyOf } from "@/features/run/states";
import { useMidnight } from "@/ui/clock";
import { ButtonLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { StatusMark } from "@/ui/StatusMark";
import { DataTable, type Column } from "@/ui/table/DataTable";
import { TableSettings } from "@/ui/table/TableSettings";
import { TimeAgo } from "@/ui/TimeAgo";
import { TimeRange } from "@/ui/TimeRange";
import { activityQuery, isKind, KINDS, type ActivitySearch } from "./search";

const route = getRouteApi("/shell/activity");
const PAGE = 200;
/** The address follows the typing after a pause. */
const ADDRESS_MS = 300;
const FIELD = { base: "calc(50% - 5px)", xs: 160 };
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
    cell: (run) =>
      isOfJob(run) ? (
        <TextLink to="/jobs/$jobId" params={{ jobId: run.job_id }} preload={false} size="sm" tabIndex={-1}>
          whole job
        </TextLink>
      ) : null,
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

/** What was run in the fleet, and who used which device how: by whom, where, when, and how it went. */
export function ActivityPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const midnight = useMidnight();
  const mayStart = useMay("runs.start");
  const asked = useInfiniteQuery({
    queryKey: [...RUNS, "activity", search, midnight],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/runs", {
          params: {
            query: { ...activityQuery(search, Date.now() / 1000), limit: PAGE, ...(pageParam === null ? {} : { before: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
  const pages = asked.data?.pages;
  const runs = useMemo(() => pages?.flatMap((page) => page.runs) ?? [], [pages]);
  const people = useMemo(() => [...new Set(runs.map((run) => run.created_by))], [runs]);
  const narrowed = Object.keys(search).length > 0;
  const change = (next: ActivitySearch) => {
    const merged = Object.entries({ ...search, ...next }).filter(([, value]) => value);
    void navigate({ to: "/activity", search: Object.fromEntries(merged), replace: true });
  };
  const toAddress = useDebouncedCallback((q: string) => change({ q }), ADDRESS_MS);
  const [typed, setTyped] = useState(search.q ?? "");
  const [before, setBefore] = useState(search.q);
  if (before !== search.q) {
    setBefore(search.q);
    setTyped(search.q ?? "");
  }

  return (
    <Page
      fill
      title="Activity"
      about={asked.data ? `${runs.length.toLocaleString()}${asked.hasNextPage ? " latest" : ""} ${runs.length === 1 ? "run" : "runs"}` : null}
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
        <SearchBox
          label="Search runs"
          placeholder="Script or device"
          w={{ base: "100%", xs: 220 }}
          value={typed}
          onChange={(next) => {
            setTyped(next);
            toAddress(next);
          }}
        />
        <DeviceField aria-label="Device" w={FIELD} value={search.device} onChange={(device) => change({ device })} />
        <PersonField
          key={search.by ?? ""}
          aria-label="Person"
          w={FIELD}
          seen={people}
          value={search.by ?? ""}
          onChange={(by) => change({ by })}
        />
        <Select
          aria-label="State"
          placeholder="Any state"
          w={FIELD}
          clearable
          data={[
            { value: "failed", label: "Any failure" },
            ...RUN_STATES.map((state) => ({ value: state, label: state === "Timed Out" ? "Timed out" : state })),
          ]}
          value={search.status ?? null}
          onChange={(value) => change({ status: value ?? "" })}
        />
        <Select
          aria-label="Kind"
          placeholder="Everything"
          w={FIELD}
          clearable
          data={[...KINDS]}
          value={search.kind ?? null}
          onChange={(value) => change({ kind: isKind(value) ? value : undefined })}
        />
        <TimeRange search={search} onChange={change} />
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
              <EmptyState title="No run is like that">Widen what is asked for.</EmptyState>
            ) : (
              <EmptyState title="Nothing was run yet">Choose devices and run a script; what it does is listed here, with its output.</EmptyState>
            )
          }
        />
      ) : null}
      {asked.hasNextPage ? (
        <Button variant="default" w="fit-content" loading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
          Older runs
        </Button>
      ) : null}
    </Page>
  );
}
