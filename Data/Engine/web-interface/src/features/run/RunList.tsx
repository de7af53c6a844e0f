import { Anchor, Text } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import { TextLink } from "@/ui/links";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { SimpleTable } from "@/ui/SimpleTable";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { useRuns, type Run, type RunsAsked } from "./queries";
import { Lasted } from "./RunRows";

function What({ run }: { run: Run }) {
  const router = useRouter();
  const name = run.script_name || run.script_type;
  // The page of a run, where there is one.
  if ("/runs/$runId" in router.routesByPath) {
    return (
      <Anchor size="sm" href={`/runs/${run.run_id}`} onClick={(event) => { event.preventDefault(); router.history.push(`/runs/${run.run_id}`); }}>
        {name}
      </Anchor>
    );
  }
  return <span>{name}</span>;
}

/** Runs, newest first, as they are now. */
export function RunList({ device, status, limit = 20 }: RunsAsked) {
  const asked = useRuns({ limit, ...(device ? { device } : {}), ...(status ? { status } : {}) });
  if (asked.isPending) return <Loading />;
  const runs = asked.data?.runs ?? [];
  if (asked.error) {
    return <ErrorNote error={asked.error} what="The runs could not be read" onRetry={() => void asked.refetch()} />;
  }
  if (runs.length === 0) {
    return <EmptyState title="Nothing was run yet">Scripts that run here are listed with their output, and looks at screens, shells and tunnels.</EmptyState>;
  }
  return (
    <SimpleTable
      label="Runs"
      head={device ? ["When", "State", "Script", "By", "Took", "Remark"] : ["When", "State", "Script", "Device", "By", "Took"]}
      rows={runs.map((run) => ({
        key: run.run_id,
        cells: [
          <TimeAgo key="when" at={run.created_at} />,
          <StatusMark key="state" status={run.status} detail={run.exit_code ? `exit ${run.exit_code}` : undefined} />,
          <What key="what" run={run} />,
          ...(device
            ? [run.created_by, <Lasted key="took" run={run} />, <Text key="remark" size="sm" c="dimmed">{run.advice || run.reason}</Text>]
            : [
                <TextLink key="device" to="/devices/$guid" params={{ guid: run.guid }} size="sm">
                  {run.device}
                </TextLink>,
                run.created_by,
                <Lasted key="took" run={run} />,
              ]),
        ],
      }))}
    />
  );
}
