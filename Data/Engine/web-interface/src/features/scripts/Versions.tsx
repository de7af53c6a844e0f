import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, take } from "@/api/client";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { CodeChanges, CodeView } from "./code/lazy";
import type { ScriptSearch } from "./find";
import { formOf, textOf } from "./form";
import { scriptKey, SCRIPTS, useVersion, useVersions, type Version } from "./queries";

const route = getRouteApi("/shell/scripts/$guid");

interface Props {
  guid: string;
  newest: number;
  type: string;
  editable: boolean;
  deleted?: boolean;
}

/** What was saved: by whom, when, why; what changed between any two; any of them made the newest again. */
export function Versions({ guid, newest, type, editable, deleted = false }: Props) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const asked = useVersions(guid);
  const [restoring, restore] = useState<number | null>(null);
  const versions = asked.data ?? [];
  const numbers = versions.map((one) => one.version);
  const shown = search.version && numbers.includes(search.version) ? search.version : numbers[0];
  const against = search.against && numbers.includes(search.against) && search.against !== shown ? search.against : numbers.find((one) => shown !== undefined && one < shown);
  const look = (next: Pick<ScriptSearch, "version" | "against">) =>
    void navigate({ to: "/scripts/$guid", params: { guid }, search: { tab: "versions", ...next }, replace: true, resetScroll: false });
  const act = useMutation({
    mutationFn: (version: number) =>
      take(
        api.POST("/api/assemblies/{guid}/restore", {
          params: { path: { guid } },
          body: { version, expected_version: newest, comment: `Version ${version} again` },
        }),
      ),
    onSuccess: async (saved) => {
      told(`Version ${saved.version} is the newest now.`);
      restore(null);
      client.setQueryData(scriptKey(guid), saved);
      void client.invalidateQueries({ queryKey: SCRIPTS });
      await client.invalidateQueries({ queryKey: scriptKey(guid) });
      await navigate({ to: "/scripts/$guid", params: { guid }, search: { tab: "versions" }, replace: true });
    },
  });

  if (asked.isPending) return <Loading />;
  return (
    <Stack gap="lg">
      <ErrorNote error={asked.error} what="The versions could not be read" onRetry={() => void asked.refetch()} />
      <SimpleTable
        label="Versions"
        head={["Version", "When", "By", "What changed", ""]}
        rows={versions.map((one) => ({
          key: String(one.version),
          cells: [
            <TextLink
              key="version"
              to="/scripts/$guid"
              params={{ guid }}
              search={{ tab: "versions", version: one.version }}
              resetScroll={false}
              size="sm"
              fw={one.version === shown ? 700 : 500}
              aria-current={one.version === shown ? "true" : undefined}
            >
              {one.version === newest ? `${one.version} (newest)` : one.version}
            </TextLink>,
            <TimeAgo key="when" at={one.saved_at} />,
            one.saved_by,
            one.comment,
            editable && (one.version !== newest || deleted) ? (
              <Button key="restore" size="compact-xs" variant="default" leftSection={<IconArrowBackUp size={14} aria-hidden />} onClick={() => restore(one.version)}>
                Restore
              </Button>
            ) : null,
          ],
        }))}
      />
      {shown !== undefined ? (
        <Section
          title={against === undefined ? `Version ${shown}` : `What changed`}
          actions={
            numbers.length > 1 ? (
              <Group gap="xs">
                <Pick label="From" versions={versions} value={against} onChange={(value) => look({ version: shown, against: value })} />
                <Pick label="To" versions={versions} value={shown} onChange={(value) => look(against === undefined || value === against ? { version: value } : { version: value, against })} />
              </Group>
            ) : null
          }
        >
          <Changes key={`${shown} ${against ?? 0}`} guid={guid} type={type} shown={shown} against={against} />
        </Section>
      ) : null}
      <Confirm
        opened={restoring !== null}
        onClose={() => {
          restore(null);
          act.reset();
        }}
        title={`Make version ${restoring ?? ""} the newest again?`}
        act="Restore"
        busy={act.isPending}
        error={act.error}
        onAct={() => {
          if (restoring !== null) act.mutate(restoring);
        }}
      >
        It becomes a new version; those after it stay in the list.
        {deleted ? " The script is back in the library with it." : ""}
      </Confirm>
    </Stack>
  );
}

function Pick({ label, versions, value, onChange }: { label: string; versions: readonly Version[]; value: number | undefined; onChange: (value: number) => void }) {
  return (
    <Select
      size="xs"
      w={130}
      aria-label={label}
      placeholder={label}
      allowDeselect={false}
      data={versions.map((one) => ({ value: String(one.version), label: `${label.toLowerCase()} version ${one.version}` }))}
      value={value === undefined ? null : String(value)}
      onChange={(chosen) => {
        if (chosen) onChange(Number(chosen));
      }}
    />
  );
}

function Changes({ guid, type, shown, against }: { guid: string; type: string; shown: number; against: number | undefined }) {
  const now = useVersion(guid, shown);
  const before = useVersion(guid, against);
  const error = now.error ?? before.error;
  if (error) return <ErrorNote error={error} what="The version could not be read" />;
  if (!now.data || (against !== undefined && !before.data)) return <Loading />;
  const after = formOf(now.data);
  if (!before.data) return <CodeView value={after.script} type={type} label={`Version ${shown}`} />;
  const earlier = formOf(before.data);
  const around = textOf(earlier) !== textOf(after);
  return (
    <Stack gap="md">
      {around ? (
        <CodeChanges before={textOf(earlier)} after={textOf(after)} type="text" label={`What is around the script: version ${against ?? ""} and version ${shown}`} />
      ) : null}
      {earlier.script !== after.script ? (
        <CodeChanges before={earlier.script} after={after.script} type={type} label={`The script: version ${against ?? ""} and version ${shown}`} />
      ) : (
        <Text size="sm" c="dimmed">
          The script itself is the same.
        </Text>
      )}
    </Stack>
  );
}
