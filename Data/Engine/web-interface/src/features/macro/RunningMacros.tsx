import { Button, Group } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { cancelRun, RUNS } from "@/features/run/queries";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { SimpleTable } from "@/ui/SimpleTable";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { changeMacro, type Run } from "./queries";
import type { Changes } from "./settings";

interface Props {
  runs: readonly Run[];
  onEdit: (run: Run) => void;
}

/** The macros that run on a device, and what can be done with them. */
export function RunningMacros({ runs, onEdit }: Props) {
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: RUNS });
  const change = useMutation({
    mutationFn: ({ run, changes }: { run: Run; changes: Changes }) => changeMacro(run.run_id, changes),
    onSuccess: () => told("The macro has it."),
    onSettled: again,
  });
  const stop = useMutation({
    mutationFn: (run: Run) => cancelRun(run.run_id),
    onSuccess: () => told("The device is told to stop it."),
    onSettled: again,
  });
  const busy = change.isPending ? change.variables.run.run_id : stop.isPending ? stop.variables.run_id : "";
  const button = (run: Run, label: string, act: () => void, red = false) => (
    <Button
      size="compact-sm"
      variant="default"
      {...(red ? { c: "red" } : {})}
      disabled={busy !== "" || (run.status !== "Running" && !red)}
      aria-label={`${label}: ${run.script_name}`}
      onClick={act}
    >
      {label}
    </Button>
  );
  return (
    <>
      <SimpleTable
        label="Macros under way"
        head={["Macro", "State", "Since", "By", ""]}
        rows={runs.map((run) => ({
          key: run.run_id,
          cells: [
            <TextLink key="what" to="/runs/$runId" params={{ runId: run.run_id }} size="sm">
              {run.script_name}
            </TextLink>,
            <StatusMark key="state" status={run.status} detail={run.cancel_requested ? "being stopped" : undefined} />,
            <TimeAgo key="since" at={run.started_at ?? run.created_at} />,
            run.created_by,
            <Group key="acts" gap={6}>
              {button(run, "Trigger", () => change.mutate({ run, changes: { trigger: 1 } }))}
              {button(run, "Let go", () => change.mutate({ run, changes: { trigger: 0 } }))}
              {button(run, "Pause", () => change.mutate({ run, changes: { active: false } }))}
              {button(run, "Go on", () => change.mutate({ run, changes: { active: true } }))}
              {button(run, "Change…", () => onEdit(run))}
              {button(run, "Stop", () => stop.mutate(run), true)}
            </Group>,
          ],
        }))}
      />
      <ErrorNote error={change.error} what="The macro was not changed" />
      <ErrorNote error={stop.error} what="The macro was not stopped" />
    </>
  );
}
