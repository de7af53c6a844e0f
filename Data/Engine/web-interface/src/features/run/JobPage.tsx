import { Anchor, Button, Drawer, Group, Menu, SegmentedControl, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconBan, IconChevronDown, IconFileText, IconLink, IconRefresh } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { ApiError } from "@/api/errors";
import { useMay } from "@/app/session";
import { Confirm } from "@/ui/Confirm";
import { ButtonLink, MenuLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { devicesOf } from "@/ui/count";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { NameList } from "@/ui/NameList";
import { Page } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { Asked } from "./Asked";
import { OutputView } from "./OutputView";
import { RecapLine } from "./Recap";
import { cancelRun, useJob, type Job, type Run } from "./queries";
import { RunRows } from "./RunRows";
import type { JobSearch } from "./search";
import { countParts, hasOwnDoor, inOrder, isOfJob, isUnderWay, partOf, PARTS, type Part } from "./states";
import { useOutput } from "./useOutput";
import classes from "./JobPage.module.css";

const route = getRouteApi("/shell/jobs/$jobId");

/** A job: what was asked, by whom, and how it goes on each device. The same for everybody who may see it. */
export function JobPage() {
  const { jobId } = route.useParams();
  const asked = useJob(jobId);
  if (asked.data) return <JobView key={jobId} job={asked.data.job} runs={asked.data.runs} error={asked.error} />;
  if (asked.error instanceof ApiError && asked.error.status === 404) {
    return (
      <Page title="Job">
        <EmptyState
          title="There is no such job"
          action={
            <ButtonLink to="/activity" variant="default" mt="sm">
              To the activity
            </ButtonLink>
          }
        >
          Its history was deleted, or none of its devices is in a site that you may see.
        </EmptyState>
      </Page>
    );
  }
  return (
    <Page title="Job">
      <ErrorNote error={asked.error} what="The job could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
    </Page>
  );
}

function JobView({ job, runs, error }: { job: Job; runs: readonly Run[]; error: unknown }) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const narrow = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  const mayStart = useMay("runs.start");
  const [asking, ask] = useState(false);
  const [reading, read] = useState(false);
  const counts = useMemo(() => countParts(runs), [runs]);
  const ordered = useMemo(() => inOrder(runs), [runs]);
  const part = search.part ?? "all";
  const shown = useMemo(() => (part === "all" ? ordered : ordered.filter((run) => partOf(run.status) === part)), [ordered, part]);
  const chosen = runs.find((run) => run.run_id === search.run);
  const output = useOutput(runs, chosen?.run_id, job.job_id);
  const open = runs.filter((run) => isOfJob(run) && isUnderWay(run.status) && !run.cancel_requested);
  const title = job.script_name || `A ${job.script_type} script`;
  const single = chosen ?? (runs.length === 1 ? runs[0] : undefined);

  const change = (next: JobSearch & { run?: string | undefined }) => {
    const merged = Object.entries({ ...search, ...next }).filter(([, value]) => value && value !== "all");
    void navigate({ to: "/jobs/$jobId", params: { jobId: job.job_id }, search: Object.fromEntries(merged), replace: true, resetScroll: false });
  };
  const cancel = useMutation({
    mutationFn: async (which: readonly Run[]) => {
      const results = await Promise.allSettled(which.map((run) => cancelRun(run.run_id)));
      // One that ended meanwhile needs no cancelling.
      const failed = results.find(
        (one): one is PromiseRejectedResult =>
          one.status === "rejected" && !(one.reason instanceof ApiError && one.reason.code === "run_finished"),
      );
      if (failed) throw failed.reason;
    },
    onSuccess: (_, which) => {
      ask(false);
      told(which.length === 1 ? "Cancelled. The device ends it now." : `${which.length} runs are being cancelled.`);
    },
  });

  const list = (
    <div className={classes.list} style={narrow ? { width: "auto" } : {}}>
      {runs.length > 1 ? (
        <SegmentedControl
          size="xs"
          fullWidth
          aria-label="Which runs"
          value={part}
          onChange={(value) => change({ part: value })}
          data={PARTS.filter((one) => one.value !== "cancelled" || counts.cancelled > 0 || part === "cancelled").map((one) => ({ value: one.value, label: `${one.label} ${counts[one.value]}` }))}
        />
      ) : null}
      {shown.length === 0 ? (
        <Text size="sm" c="dimmed" py="md" ta="center">
          {part === "failed" ? "None failed." : "None at the moment."}
        </Text>
      ) : (
        <RunRows
          runs={shown}
          chosen={chosen?.run_id}
          onChoose={(run) => change({ run: run ?? "" })}
          {...(narrow ? { height: "34dvh" } : {})}
        />
      )}
    </div>
  );
  const view = (
    <div className={classes.output}>
      <Group gap="xs" mb={8} mih={26}>
        {chosen ? (
          <>
            <Text size="sm" fw={600} truncate maw={280}>
              {chosen.device}
            </Text>
            {runs.length > 1 ? (
              <Button size="compact-xs" variant="subtle" onClick={() => change({ run: "" })}>
                Show all {runs.length}
              </Button>
            ) : null}
            <TextLink to="/runs/$runId" params={{ runId: chosen.run_id }} size="sm">
              Run
            </TextLink>
            <TextLink to="/devices/$guid" params={{ guid: chosen.guid }} size="sm">
              Device
            </TextLink>
            {mayStart && isUnderWay(chosen.status) && !chosen.cancel_requested ? (
              <Button
                size="compact-xs"
                variant="default"
                leftSection={<IconBan size={14} aria-hidden />}
                loading={cancel.isPending}
                onClick={() => cancel.mutate([chosen])}
              >
                Cancel this one
              </Button>
            ) : null}
          </>
        ) : (
          <Text size="sm" c="dimmed">
            {runs.length > 1 ? "All devices together. Choose a device to see it alone." : "Output"}
          </Text>
        )}
      </Group>
      <RecapLine run={single} />
      <OutputView output={output} runs={runs} only={single?.run_id} name={`${chosen?.device ?? title}-output`.replaceAll(/[^\w.-]+/g, "_")} />
    </div>
  );

  return (
    <>
      <Page
        fill={!narrow}
        title={title}
        beside={<Summary counts={counts} />}
        about={
          <>
            {job.script_type} · {job.context === "system" ? "as system" : "as the signed-in user"} · by {job.created_by} ·{" "}
            <TimeAgo at={job.created_at} />
            {job.assembly_guid ? (
              <>
                {" · "}
                <TextLink to="/scripts/$guid" params={{ guid: job.assembly_guid }} size="sm" underline="always">
                  library, version {job.assembly_version}
                </TextLink>
              </>
            ) : null}
            {" · "}
            <Anchor component="button" type="button" size="sm" onClick={() => read(true)}>
              <IconFileText size={14} style={{ verticalAlign: "-2px" }} aria-hidden /> What was asked
            </Anchor>
          </>
        }
        actions={
          <>
            <Button
              variant="default"
              leftSection={<IconLink size={16} aria-hidden />}
              onClick={() => void navigator.clipboard.writeText(window.location.href).then(() => told("The link is copied."))}
            >
              Copy link
            </Button>
            {mayStart && open.length > 0 ? (
              <Button variant="default" c="red" leftSection={<IconBan size={16} aria-hidden />} onClick={() => ask(true)}>
                {runs.length === 1 ? "Cancel" : `Cancel ${open.length}`}
              </Button>
            ) : null}
            {mayStart && runs.every(isOfJob) && !hasOwnDoor(job.script_type) ? <Again job={job} counts={counts} /> : null}
          </>
        }
      >
        <ErrorNote error={error} what="This may be out of date: the job could not be read again" />
        {asking ? null : <ErrorNote error={cancel.error} what="Not everything was cancelled" />}
        {narrow ? (
          <div className={classes.narrow}>
            {list}
            {view}
          </div>
        ) : (
          <div className={classes.work}>
            {list}
            {view}
          </div>
        )}
      </Page>
      <Confirm
        opened={asking}
        onClose={() => ask(false)}
        title={open.length === 1 ? "Cancel this run?" : `Cancel ${open.length} runs?`}
        act={open.length === 1 ? "Cancel the run" : `Cancel ${open.length} runs`}
        danger
        busy={cancel.isPending}
        error={cancel.error}
        onAct={() => cancel.mutate(open)}
      >
        What runs is ended with everything that it started; what did not start never does. What was done stays done.
        <Text size="sm" c="dimmed" mt="sm">
          <NameList names={open.map((run) => run.device)} most={40} />
        </Text>
      </Confirm>
      <Drawer opened={reading} onClose={() => read(false)} position="right" size="xl" title="What was asked" closeButtonProps={{ "aria-label": "Close" }}>
        <Asked job={job} user={runs[0]?.run_as_user ?? ""} />
      </Drawer>
    </>
  );
}

function Summary({ counts }: { counts: Record<Part, number> }) {
  const parts = [
    counts.failed ? `${counts.failed} failed` : "",
    counts["under-way"] ? `${counts["under-way"]} under way` : "",
    counts.done ? `${counts.done} done` : "",
    counts.cancelled ? `${counts.cancelled} cancelled` : "",
  ].filter(Boolean);
  return (
    <Text size="sm" c="dimmed" role="status">
      {devicesOf(counts.all)}: {parts.join(", ")}
    </Text>
  );
}

function Again({ job, counts }: { job: Job; counts: Record<Part, number> }) {
  if (counts.failed === 0 || counts.failed === counts.all) {
    return (
      <ButtonLink to="/run" search={{ again: job.job_id }} leftSection={<IconRefresh size={16} aria-hidden />}>
        Run again
      </ButtonLink>
    );
  }
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <Button leftSection={<IconRefresh size={16} aria-hidden />} rightSection={<IconChevronDown size={16} aria-hidden />}>
          Run again
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <MenuLink to="/run" search={{ again: job.job_id, on: "failed" }}>
          On the {counts.failed} that failed
        </MenuLink>
        <MenuLink to="/run" search={{ again: job.job_id }}>
          On all {counts.all}
        </MenuLink>
      </Menu.Dropdown>
    </Menu>
  );
}
