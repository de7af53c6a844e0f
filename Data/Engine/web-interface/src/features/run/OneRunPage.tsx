import { Button, Group, SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconBan, IconRefresh } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { ApiError } from "@/api/errors";
import { useMay } from "@/app/session";
import { ButtonLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { useRecording } from "@/features/shell/queries";
import { OutputView } from "./OutputView";
import { hasRecap, Recap } from "./Recap";
import { cancelRun, runKey, useRun, type Run } from "./queries";
import { Lasted } from "./RunRows";
import { asWhom, hasOwnDoor, isOfJob, isUnderWay, whyOf } from "./states";
import { useOutput } from "./useOutput";

const route = getRouteApi("/shell/runs/$runId");

/** One script on one device: how it goes or went, and what it said. */
export function OneRunPage() {
  const { runId } = route.useParams();
  const asked = useRun(runId);
  if (asked.data && !isOfJob(asked.data)) return <UseView use={asked.data} error={asked.error} />;
  if (asked.data) return <RunView key={runId} run={asked.data} error={asked.error} />;
  return (
    <Page title="Run">
      {asked.error instanceof ApiError && asked.error.status === 404 ? (
        <EmptyState
          title="There is no such run"
          action={
            <ButtonLink to="/activity" variant="default" mt="sm">
              To the activity
            </ButtonLink>
          }
        >
          Its history was deleted, or the device is in a site that you may not see.
        </EmptyState>
      ) : (
        <ErrorNote error={asked.error} what="The run could not be read" onRetry={() => void asked.refetch()} />
      )}
      {asked.isPending ? <Loading /> : null}
    </Page>
  );
}

/** What somebody did with a device that no script ran for: a look at its screen, a shell, a tunnel. */
function UseView({ use, error }: { use: Run; error: unknown }) {
  return (
    <Page
      title={use.script_name}
      windowTitle={`${use.script_name} on ${use.device}`}
      beside={<StatusMark status={use.status} />}
      about={
        <>
          on{" "}
          <TextLink to="/devices/$guid" params={{ guid: use.guid }} size="sm" underline="always">
            {use.device}
          </TextLink>{" "}
          · by {use.created_by}
        </>
      }
    >
      <ErrorNote error={error} what="This may be out of date: it could not be read again" />
      <Facts
        columns={2}
        facts={[
          ["Began", <TimeAgo key="began" at={use.created_at} />],
          ["Ended", use.finished_at ? <TimeAgo key="ended" at={use.finished_at} /> : "not yet"],
          ["Took", <Lasted key="took" run={use} />],
          ["Account", ["shell", "desktop", "rdp"].includes(use.kind) ? use.ran_as_user || null : null],
          ["Exit code", use.exit_code === null ? null : String(use.exit_code)],
          ["Why it ended", use.reason.replaceAll("_", " ") || null],
          ["Recording", use.kind === "shell" ? <RecordingOf key="recording" shell={use} /> : null],
        ]}
      />
    </Page>
  );
}

/** The way to what was recorded of a shell, as long as that is kept. */
function RecordingOf({ shell }: { shell: Run }) {
  const asked = useRecording(shell.run_id, useMay("recordings.read"));
  if (asked.data) {
    return (
      <TextLink to="/recordings/$id" params={{ id: shell.run_id }} size="sm" underline="always">
        {asked.data.ended_at === null ? "so far" : "play it"}
      </TextLink>
    );
  }
  return <>{asked.isLoading ? "…" : "none that you may see"}</>;
}

function RunView({ run, error }: { run: Run; error: unknown }) {
  const narrow = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  const mayStart = useMay("runs.start");
  const client = useQueryClient();
  const runs = useMemo(() => [run], [run]);
  const output = useOutput(runs, run.run_id, run.run_id);
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.run_id),
    onSuccess: () => told("Cancelled. The device ends it now."),
    onSettled: () => client.invalidateQueries({ queryKey: runKey(run.run_id) }),
  });
  const why = whyOf(run);
  const [shown, show] = useState("tasks");
  const tasks = hasRecap(run) && shown === "tasks";
  return (
    <Page
      fill={!narrow && !tasks}
      title={run.script_name || `A ${run.script_type} script`}
      windowTitle={`${run.script_name || run.script_type} on ${run.device}`}
      beside={<StatusMark status={run.status} detail={run.cancel_requested && isUnderWay(run.status) ? "being cancelled" : undefined} />}
      about={
        <>
          on{" "}
          <TextLink to="/devices/$guid" params={{ guid: run.guid }} size="sm" underline="always">
            {run.device}
          </TextLink>{" "}
          · {run.script_type} · {asWhom(run)} · by {run.created_by} ·{" "}
          <TextLink to="/jobs/$jobId" params={{ jobId: run.job_id }} size="sm" underline="always">
            the whole job
          </TextLink>
        </>
      }
      actions={
        <>
          {mayStart && isUnderWay(run.status) && !run.cancel_requested ? (
            <Button variant="default" c="red" leftSection={<IconBan size={16} aria-hidden />} loading={cancel.isPending} onClick={() => cancel.mutate()}>
              Cancel
            </Button>
          ) : null}
          {mayStart && !hasOwnDoor(run.script_type) ? (
            <ButtonLink to="/run" search={{ again: run.job_id, devices: run.guid }} leftSection={<IconRefresh size={16} aria-hidden />}>
              Run again
            </ButtonLink>
          ) : null}
        </>
      }
    >
      <ErrorNote error={error} what="This may be out of date: the run could not be read again" />
      <ErrorNote error={cancel.error} what="The run was not cancelled" />
      <Facts
        columns={2}
        facts={[
          ["Asked for", <TimeAgo key="asked" at={run.created_at} />],
          ["Started", run.started_at ? <TimeAgo key="started" at={run.started_at} /> : run.sent_at ? "sent, not started yet" : "not yet"],
          ["Ended", run.finished_at ? <TimeAgo key="ended" at={run.finished_at} /> : null],
          ["Took", run.started_at ? <Lasted key="took" run={run} /> : null],
          ["Exit code", run.exit_code === null ? null : String(run.exit_code)],
          ["Why", why && run.status !== "Success" ? why : null],
          ["To be fetched until", run.status === "Pending" ? <TimeAgo key="until" at={run.expires_at} /> : null],
        ]}
      />
      {hasRecap(run) ? (
        <Group>
          <SegmentedControl
            size="xs"
            aria-label="What to show"
            value={shown}
            onChange={show}
            data={[
              { value: "tasks", label: "Tasks" },
              { value: "output", label: "Output" },
            ]}
          />
        </Group>
      ) : null}
      {tasks ? <Recap run={run} /> : null}
      <Group style={{ display: tasks ? "none" : "flex", flex: narrow ? "none" : 1, height: narrow ? "70dvh" : "auto", minHeight: 0 }} align="stretch">
        <OutputView output={output} runs={runs} only={run.run_id} name={`${run.device}-output`.replaceAll(/[^\w.-]+/g, "_")} />
      </Group>
    </Page>
  );
}
