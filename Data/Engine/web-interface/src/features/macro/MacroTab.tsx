import { Alert, Button, Code, Group, Stack, Text } from "@mantine/core";
import { IconKeyboard, IconPlayerPlay, IconTestPipe } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/app/session";
import { useThisDevice } from "@/features/device/useThisDevice";
import { RUNS, useJobContent, useRun, useRuns } from "@/features/run/queries";
import { isUnderWay, whyOf } from "@/features/run/states";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { StatusMark } from "@/ui/StatusMark";
import { told } from "@/ui/told";
import { MacroForm } from "./MacroForm";
import { changeMacro, isMacro, startMacro, type Run } from "./queries";
import { RunningMacros } from "./RunningMacros";
import { BLANK, changesOf, draftOf, problemOf, settingsOf, TEST_SECONDS, testOf, type Draft } from "./settings";

/** Macros of a device: make one, try it, start it, change it while it runs, stop it. */
export function MacroTab() {
  const device = useThisDevice();
  const may = useMay("runs.start");
  const client = useQueryClient();
  const [draft, setDraft] = useState<Draft>(BLANK);
  const [latest, setLatest] = useState<string | null>(null);
  const [edited, setEdited] = useState<Run | null>(null);
  const guid = device?.guid ?? "";
  const asked = useRuns({ device: guid, status: "Pending,Running", limit: 100 });
  const start = useMutation({
    mutationFn: (test: boolean) =>
      test ? startMacro(guid, draft.user, testOf(draft), TEST_SECONDS) : startMacro(guid, draft.user, settingsOf(draft), draft.seconds),
    onSuccess: setLatest,
    onSettled: () => client.invalidateQueries({ queryKey: RUNS }),
  });

  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not start macros">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  const problem = problemOf(draft);
  const running = (asked.data?.runs ?? []).filter(isMacro);
  return (
    <Stack gap="md">
      <Section title="Under way">
        <ErrorNote error={asked.error} what="The macros could not be read" onRetry={() => void asked.refetch()} />
        {asked.isPending ? <Loading /> : null}
        {asked.data && running.length === 0 ? (
          <Text size="sm" c="dimmed">
            No macro runs on this device.
          </Text>
        ) : null}
        {running.length > 0 ? <RunningMacros runs={running} onEdit={setEdited} /> : null}
      </Section>
      {edited ? (
        <ChangeMacro key={edited.run_id} run={edited} onClose={() => setEdited(null)} />
      ) : (
        <Section title="A new macro">
          <Stack gap="md">
            <MacroForm guid={guid} users={device.presence.users.map((one) => one.user)} draft={draft} onChange={setDraft} running={false} />
            <Group gap="sm">
              <Button
                variant="default"
                leftSection={<IconTestPipe size={16} aria-hidden />}
                disabled={problem !== null}
                loading={start.isPending && start.variables}
                onClick={() => start.mutate(true)}
              >
                Test: type it once
              </Button>
              <Button
                leftSection={<IconPlayerPlay size={16} aria-hidden />}
                disabled={problem !== null}
                loading={start.isPending && !start.variables}
                onClick={() => start.mutate(false)}
              >
                Start
              </Button>
              {problem ? (
                <Text size="sm" c="dimmed" role="status">
                  {problem}
                </Text>
              ) : null}
            </Group>
            <ErrorNote error={start.error} what="The macro was not started" />
            {latest ? <Latest runId={latest} /> : null}
          </Stack>
        </Section>
      )}
    </Stack>
  );
}

/** How the macro goes that was started last. */
function Latest({ runId }: { runId: string }) {
  const run = useRun(runId).data;
  if (!run) return null;
  const why = whyOf(run);
  return (
    <Alert color="gray" variant="light" icon={<IconKeyboard aria-hidden />} title="The macro that you started" role="status">
      <Stack gap={6}>
        <Group gap="sm">
          <StatusMark status={run.status} />
          <TextLink to="/runs/$runId" params={{ runId }} size="sm">
            See its run
          </TextLink>
        </Group>
        {run.status === "Pending" ? (
          <Text size="sm">It waits for the signed-in user&apos;s agent, five minutes at most.</Text>
        ) : null}
        {why && !isUnderWay(run.status) && run.status !== "Success" ? <Text size="sm">{why}</Text> : null}
        {run.stdout ? <Code block>{run.stdout.trimEnd()}</Code> : null}
      </Stack>
    </Alert>
  );
}

/** Other settings for a macro that runs. */
function ChangeMacro({ run, onClose }: { run: Run; onClose: () => void }) {
  const asked = useJobContent(run.job_id);
  const before = asked.data ? draftOf(asked.data.script, 0, run.ran_as_user) : null;
  const [draft, setDraft] = useState<Draft | null>(null);
  const shown = draft ?? before;
  const changes = before && shown ? changesOf(settingsOf(before), settingsOf(shown)) : null;
  const change = useMutation({
    mutationFn: () => changeMacro(run.run_id, changes ?? {}),
    onSuccess: () => {
      told("The macro was changed.");
      onClose();
    },
  });
  const problem = shown ? problemOf(shown) : null;
  return (
    <Section title={`Change “${run.script_name}” while it runs`}>
      <Stack gap="md">
        <ErrorNote error={asked.error} what="Its settings could not be read" onRetry={() => void asked.refetch()} />
        {asked.isPending ? <Loading /> : null}
        {shown ? <MacroForm guid={run.guid} users={[]} draft={shown} onChange={setDraft} running /> : null}
        <Text size="sm" c="dimmed">
          These are the settings that it was started with. What you change here is sent, and nothing else.
        </Text>
        <Group gap="sm">
          <Button disabled={changes === null || problem !== null} loading={change.isPending} onClick={() => change.mutate()}>
            Change it
          </Button>
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          {problem ? (
            <Text size="sm" c="dimmed" role="status">
              {problem}
            </Text>
          ) : null}
        </Group>
        <ErrorNote error={change.error} what="The macro was not changed" />
      </Stack>
    </Section>
  );
}
