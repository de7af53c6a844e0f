import { Alert, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { ApiError } from "@/api/errors";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { SimpleTable } from "@/ui/SimpleTable";
import { StatusMark } from "@/ui/StatusMark";
import { duration } from "@/ui/time";
import { ANSIBLE } from "./playbook";
import type { Run } from "./queries";
import { isUnderWay } from "./states";

type Content = Schemas["RecapContent"];
type Host = Schemas["RecapHost"];
type Result = Schemas["RecapResult"];

const COUNTS = ["ok", "changed", "failed", "skipped", "unreachable", "rescued", "ignored"] as const;
/** The marks that runs have, for results of tasks. */
const MARK: Record<string, string> = { ok: "Success", changed: "Success", failed: "Failed", unreachable: "Failed", skipped: "Cancelled" };

/** Whether a run may have left a recap. */
export function hasRecap(run: Run | undefined): boolean {
  return run !== undefined && run.script_type === ANSIBLE && !isUnderWay(run.status);
}

/** The recap of a playbook's run; null where it left none. */
export function useRecap(run: Run | undefined) {
  const id = run?.run_id ?? "";
  return useQuery({
    queryKey: ["recap", id],
    queryFn: async () => {
      try {
        return (await take(api.GET("/api/runs/{run_id}/recap", { params: { path: { run_id: id } } }))).recap_json;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
    enabled: hasRecap(run),
  });
}

/** The counts of one host in words: only what there is. */
export function countsOf(host: Host): string {
  return COUNTS.filter((name) => host[name] > 0 || name === "ok")
    .map((name) => `${host[name].toLocaleString()} ${name}`)
    .join(", ");
}

/** Task by task and host by host: what became of a playbook. */
export function Recap({ run }: { run: Run }) {
  const asked = useRecap(run);
  const [part, show] = useState("all");
  if (asked.error) return <ErrorNote error={asked.error} what="The recap could not be read" onRetry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loading />;
  const recap = asked.data;
  if (!recap || (recap.tasks.length === 0 && recap.hosts.length === 0)) {
    return (
      <EmptyState title="No task ran">
        {recap?.problem || "The playbook ended before its first task. The output says why."}
      </EmptyState>
    );
  }
  const rows = rowsOf(recap, part);
  return (
    <Stack gap="sm">
      {recap.check ? (
        <Alert color="aurora" variant="light">
          Check only: “changed” is what would change. Nothing was.
        </Alert>
      ) : null}
      <Stack gap={2}>
        {recap.hosts.map((host) => (
          <Text key={host.host} size="sm">
            <strong>{host.host}</strong>: {countsOf(host)}
          </Text>
        ))}
      </Stack>
      <Group>
        <SegmentedControl
          size="xs"
          aria-label="Which tasks"
          value={part}
          onChange={show}
          data={[
            { value: "all", label: "All tasks" },
            { value: "changed", label: "Changed" },
            { value: "failed", label: "Failed" },
          ]}
        />
      </Group>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          {part === "failed" ? "None failed." : "None changed anything."}
        </Text>
      ) : (
        <SimpleTable label="Tasks" head={["Task", "Host", "Result", "Took", "Message"]} rows={rows} />
      )}
      {recap.truncated ? (
        <Text size="sm" c="dimmed">
          There were more tasks than are listed; the output has them all.
        </Text>
      ) : null}
    </Stack>
  );
}

/** The counts of a playbook's run in one line. */
export function RecapLine({ run }: { run: Run | undefined }) {
  const recap = useRecap(run).data;
  if (!recap || recap.hosts.length === 0) return null;
  return (
    <Text size="sm" c="dimmed" mb={6}>
      {recap.hosts.map((host) => (recap.hosts.length > 1 ? `${host.host}: ${countsOf(host)}` : countsOf(host))).join(" · ")}
    </Text>
  );
}

function isIn(part: string, result: Result): boolean {
  if (part === "changed") return result.result === "changed";
  if (part === "failed") return result.result === "failed" || result.result === "unreachable";
  return true;
}

function rowsOf(recap: Content, part: string) {
  return recap.tasks.flatMap((task, place) =>
    task.results
      .filter((result) => isIn(part, result))
      .map((result) => ({
        key: `${place} ${result.host}`,
        cells: [
          task.name,
          result.host,
          <StatusMark key="mark" status={result.ignored ? "Interrupted" : (MARK[result.result] ?? "Failed")} word={result.ignored ? "failed, ignored" : result.result} />,
          result.seconds === null ? "" : duration(result.seconds),
          result.message,
        ],
      })),
  );
}
