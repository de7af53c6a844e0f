import { Alert, Autocomplete, Button, Group, Kbd, Paper, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconFileCode, IconPencil, IconPlayerPlay } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { useDevices } from "@/features/devices/queries";
import type { Device } from "@/features/devices/state";
import { CodeField, CodeView } from "@/features/scripts/code/lazy";
import { FilesEditor } from "@/features/scripts/FilesEditor";
import { SCRIPT_TYPES } from "@/features/scripts/parts";
import { domainWord, useScripts } from "@/features/scripts/queries";
import { ValueField, VariablesEditor } from "@/features/scripts/VariablesEditor";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { NameList } from "@/ui/NameList";
import { Page, Section } from "@/ui/Page";
import { duration } from "@/ui/time";
import { EXPIRIES, problemOf, requestOf, TIMEOUTS, type Draft } from "./draft";
import { EnvironmentEditor } from "./EnvironmentEditor";
import { ANSIBLE } from "./playbook";
import { PlaybookOptions } from "./PlaybookOptions";
import { isLost, TargetPicker } from "./TargetPicker";
import { chosenOf, searchOf, signedInOf, sourceOf, targetsOf, type Chosen } from "./targets";
import classes from "./RunPage.module.css";

const route = getRouteApi("/shell/run");
const NO_DEVICES: readonly Device[] = [];

/** A script of the library, and which version of it. */
export interface Stored {
  guid: string;
  version: number;
  name: string;
  newest: number;
}

let draftOfPage: Draft | null = null;

/** What was being written when the reader went elsewhere. */
export function keptDraft(): Draft | null {
  return draftOfPage;
}

interface Props {
  first: Draft;
  stored: Stored | null;
  /** Remember what is written for as long as the page is open. */
  keep?: boolean;
}

/** What to run, on which devices, and how. */
export function Composer({ first, stored: given, keep = false }: Props) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const [draft, setDraft] = useState(first);
  const [stored, setStored] = useState(given);
  const [asking, ask] = useState(false);
  const [tried, setTried] = useState(false);
  const devices = useDevices();
  const mayRead = useMay("runs.read");
  const chosen = useMemo(() => chosenOf(search), [search]);
  const targets = useMemo(() => targetsOf(devices.data ?? NO_DEVICES, chosen), [devices.data, chosen]);
  const guids = targets.devices.map((device) => device.guid);
  const here = useMemo(() => signedInOf(targets.devices), [targets]);
  const problem = problemOf(draft, guids.length, stored !== null);

  useEffect(() => {
    if (keep) draftOfPage = { ...draft, playbook: { ...draft.playbook, vaultPassword: "" } };
  }, [keep, draft]);

  const change = (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part }));
  const choose = (next: Chosen) => {
    void navigate({ to: "/run", search: { ...sourceOf(search), ...searchOf(next) }, replace: true, resetScroll: false });
  };
  const start = useMutation({
    mutationFn: () => take(api.POST("/api/scripts/quick_run", { body: requestOf(draft, guids, stored) })),
    onSuccess: (started) => {
      if (mayRead) void navigate({ to: "/jobs/$jobId", params: { jobId: started.job_id } });
      else ask(false);
    },
    onError: () => ask(false),
  });
  const wish = () => {
    setTried(true);
    if (problem || start.isPending) return;
    if (guids.length > 1) ask(true);
    else start.mutate();
  };

  return (
    <Page
      title="Run a script"
      about="It starts at once on devices that are online; the others get it when they come back."
      actions={
        <Button leftSection={<IconPlayerPlay size={16} aria-hidden />} rightSection={<Kbd size="xs" visibleFrom="sm" aria-hidden>Ctrl ↵</Kbd>} loading={start.isPending} onClick={wish}>
          {guids.length > 1 ? `Run on ${guids.length.toLocaleString()} devices…` : "Run"}
        </Button>
      }
    >
      {tried && problem ? (
        <Alert color="yellow" variant="light" role="alert">
          {problem}
        </Alert>
      ) : null}
      <ErrorNote error={start.error} what="Nothing was started" />
      {start.isSuccess && !mayRead ? (
        <Alert color="aurora" variant="light" role="status">
          Started. You may not see runs, so what becomes of it is shown to others only.
        </Alert>
      ) : null}
      <div className={classes.columns}>
        <div className={classes.main}>
          <Source draft={draft} stored={stored} onChange={change} onSubmit={wish} onFree={() => setStored(null)} />
        </div>
        <div className={classes.side}>
          <Section title="On which devices">
            <TargetPicker chosen={chosen} targets={targets} onChange={choose} lost={isLost(search.devices, chosen)} />
          </Section>
          <Section title="How">
            <Stack gap="sm">
              {draft.type === ANSIBLE ? <PlaybookOptions options={draft.playbook} agentless={targets.devices.some((device) => !device.has_agent)} onChange={(playbook) => change({ playbook })} /> : null}
              <div hidden={draft.type === ANSIBLE}>
                <Text size="sm" fw={500} mb={4} id="run-context">
                  Runs as
                </Text>
                <SegmentedControl
                  fullWidth
                  aria-labelledby="run-context"
                  value={draft.context}
                  onChange={(value) => change({ context: value })}
                  data={[
                    { value: "system", label: "System" },
                    { value: "interactive", label: "Signed-in user" },
                  ]}
                />
                <Text size="xs" c="dimmed" mt={4}>
                  {draft.context === "system"
                    ? "With all rights on the device."
                    : draft.user.trim()
                      ? "With this user's rights, in this user's session; it waits while this user is away."
                      : "With the rights of whoever is signed in there; it waits until somebody is."}
                </Text>
                {draft.context === "interactive" ? (
                  <Autocomplete
                    mt="sm"
                    label="Which user"
                    description={here.length > 0 ? `Signed in there now: ${here.slice(0, 5).join(", ")}${here.length > 5 ? ` and ${here.length - 5} more` : ""}` : "Nobody is signed in there with an agent now."}
                    placeholder="Any; who sits at the machine comes first"
                    maxLength={256}
                    limit={50}
                    data={here}
                    value={draft.user}
                    onChange={(user) => change({ user })}
                  />
                ) : null}
              </div>
              <Group grow align="flex-start">
                <Select
                  label="End it after"
                  allowDeselect={false}
                  data={withOwn(TIMEOUTS, draft.timeout)}
                  value={String(draft.timeout)}
                  onChange={(value) => change({ timeout: Number(value ?? draft.timeout) })}
                />
                <Select
                  label="Give up waiting after"
                  allowDeselect={false}
                  data={withOwn(EXPIRIES, draft.expires)}
                  value={String(draft.expires)}
                  onChange={(value) => change({ expires: Number(value ?? draft.expires) })}
                />
              </Group>
            </Stack>
          </Section>
        </div>
      </div>
      <Confirm
        opened={asking}
        onClose={() => ask(false)}
        title={`Run on ${guids.length.toLocaleString()} devices?`}
        act={`Run on ${guids.length.toLocaleString()} devices`}
        busy={start.isPending}
        error={start.error}
        onAct={() => start.mutate()}
      >
        <Text size="sm">
          <strong>{stored?.name ?? (draft.name.trim() || `A ${draft.type} script`)}</strong>,{" "}
          {draft.context === "system" || draft.type === ANSIBLE ? "as system" : draft.user.trim() ? `as ${draft.user.trim()}` : "as the signed-in user"}.
          {draft.type === ANSIBLE && draft.playbook.check ? " Check only: nothing is changed." : ""} It starts at once where the device is online.
        </Text>
        <Paper withBorder mt="sm" p="xs" mah={220} style={{ overflow: "auto" }} tabIndex={0} role="region" aria-label="Devices">
          <Text size="sm">
            <NameList names={targets.devices.map((device) => device.hostname)} />
          </Text>
        </Paper>
      </Confirm>
    </Page>
  );
}

/** The choices, with the one in use where it is none of them. */
function withOwn(choices: readonly { value: string; label: string }[], own: number) {
  if (choices.some((one) => one.value === String(own))) return [...choices];
  return [{ value: String(own), label: own === 0 ? "Never" : duration(own) }, ...choices];
}

interface SourceProps {
  draft: Draft;
  stored: Stored | null;
  onChange: (part: Partial<Draft>) => void;
  onSubmit: () => void;
  onFree: () => void;
}

/** The script and what it gets: written here, or one of the library with its values filled in. */
function Source({ draft, stored, onChange, onSubmit, onFree }: SourceProps) {
  const navigate = useNavigate();
  const search = route.useSearch();
  const mayLibrary = useMay("scripts.read");
  const library = useScripts(false, mayLibrary);
  const runnable = (library.data ?? []).filter((item) => item.assembly_kind !== "workflow");

  const pick = (guid: string | null) => {
    void navigate({ to: "/run", search: { ...searchOf(chosenOf(search)), ...(guid ? { script: guid } : {}) }, replace: true, resetScroll: false });
  };
  const choice = mayLibrary && (runnable.length > 0 || stored) ? (
    <Select
      label="Script"
      flex="1 1 240px"
      searchable
      clearable={stored !== null}
      placeholder="Written here, or choose from the library"
      nothingFoundMessage="No script is called like that"
      leftSection={<IconFileCode size={16} aria-hidden />}
      data={[
        ...(stored && !runnable.some((item) => item.assembly_guid === stored.guid) ? [{ value: stored.guid, label: stored.name }] : []),
        ...runnable.map((item) => ({ value: item.assembly_guid, label: `${item.display_name} · ${[domainWord(item.domain), item.category].filter(Boolean).join(", ")}` })),
      ]}
      value={stored?.guid ?? null}
      onChange={pick}
    />
  ) : null;

  if (stored) {
    return (
      <>
        <Group gap="xs" align="flex-end">
          {choice}
          <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={onFree}>
            Change it for this run
          </Button>
        </Group>
        <Text size="sm" c="dimmed" mt={-12}>
          Version {stored.version}
          {stored.version < stored.newest ? ` (the newest is ${stored.newest})` : ""} ·{" "}
          <TextLink to="/scripts/$guid" params={{ guid: stored.guid }} size="sm">
            see it in the library
          </TextLink>
        </Text>
        {draft.variables.length > 0 ? (
          <Section title="Variables">
            <Stack gap="sm">
              {draft.variables.map((variable, place) => (
                <ValueField
                  key={variable.name}
                  wide
                  label={variable.label || variable.name}
                  variable={variable}
                  disabled={variable.type === "credential"}
                  onChange={(value) => onChange({ variables: draft.variables.map((one, at) => (at === place ? { ...one, value } : one)) })}
                />
              ))}
            </Stack>
          </Section>
        ) : null}
        <Section title="Script">
          <CodeView value={draft.script} type={draft.type} label="The script" />
        </Section>
        <Section title="Environment">
          <EnvironmentEditor entries={draft.environment} onChange={(environment) => onChange({ environment })} />
        </Section>
      </>
    );
  }
  return (
    <>
      <Group gap="xs" align="flex-end">
        {choice}
        <TextInput
          label="Name"
          placeholder="What it is called in the activity"
          flex="1 1 200px"
          maxLength={256}
          value={draft.name}
          onChange={(event) => onChange({ name: event.currentTarget.value })}
        />
        <Select
          label="Type"
          w={140}
          allowDeselect={false}
          data={[...SCRIPT_TYPES]}
          value={draft.type}
          onChange={(type) => onChange({ type: type ?? draft.type })}
        />
      </Group>
      <CodeField
        value={draft.script}
        type={draft.type}
        label="The script"
        placeholder="Write the script here. Variables and environment are in its environment."
        onChange={(script) => onChange({ script })}
        onSubmit={onSubmit}
      />
      <Section title="Variables">
        <VariablesEditor variables={draft.variables} onChange={(variables) => onChange({ variables })} />
      </Section>
      <Section title="Environment">
        <EnvironmentEditor entries={draft.environment} onChange={(environment) => onChange({ environment })} />
      </Section>
      <Section title="Files">
        <FilesEditor files={draft.files} onChange={(files) => onChange({ files })} />
      </Section>
    </>
  );
}
