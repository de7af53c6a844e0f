import { Button, Group, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/app/session";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { clockTime } from "./length";
import { deleteRecording, endShell, RECORDINGS, useOpenShells, useRecordings } from "./queries";

/** Who has a shell open on this device, and what was recorded. */
export function Recordings({ guid }: { guid: string }) {
  const mayRead = useMay("recordings.read");
  const mayDelete = useMay("recordings.delete");
  const client = useQueryClient();
  const open = useOpenShells(guid, true);
  const asked = useRecordings(guid, mayRead);
  const [dropping, setDropping] = useState("");
  const drop = useMutation({
    mutationFn: () => deleteRecording(dropping),
    onSuccess: async () => {
      told("The recording was deleted.");
      setDropping("");
      await client.invalidateQueries({ queryKey: RECORDINGS });
    },
  });
  const end = useMutation({ mutationFn: endShell, onSuccess: () => open.refetch() });
  const rows = asked.data?.recordings ?? [];
  return (
    <>
      {open.data && open.data.length > 0 ? (
        <Section title="Open shells">
          <ErrorNote error={end.error} what="It was not ended" />
          <SimpleTable
            label="Open shells"
            head={["Operator", "As", "Shell", "Since", ""]}
            rows={open.data.map((one) => ({
              key: one.session_id,
              cells: [
                one.connected ? one.username : `${one.username} (away)`,
                one.user,
                one.shell,
                <TimeAgo key="since" at={one.since} />,
                <Button key="end" size="compact-sm" variant="subtle" color="red" onClick={() => end.mutate(one.session_id)}>
                  End
                </Button>,
              ],
            }))}
          />
        </Section>
      ) : null}
      {mayRead ? (
        <Section title="Recordings">
          <ErrorNote error={asked.error} what="The recordings could not be listed" onRetry={() => void asked.refetch()} />
          {asked.data ? (
            <Text size="sm" c="dimmed">
              {asked.data.recorded
                ? `What shells print is recorded, and kept for ${asked.data.days} days. What is typed is not.`
                : "Shells are not recorded now."}
            </Text>
          ) : null}
          {rows.length > 0 ? (
            <SimpleTable
              label="Recordings"
              head={["Began", "Operator", "As", "Length", "Ended with", ""]}
              rows={rows.map((row) => ({
                key: row.recording_id,
                cells: [
                  <TimeAgo key="at" at={row.started_at} />,
                  row.username,
                  row.account,
                  row.ended_at === null ? "goes on" : clockTime(row.seconds),
                  row.status === null ? "" : String(row.status),
                  <Group key="acts" gap="xs" wrap="nowrap">
                    <TextLink to="/recordings/$id" params={{ id: row.recording_id }} size="sm">
                      Play
                    </TextLink>
                    {mayDelete && row.ended_at !== null ? (
                      <Button size="compact-sm" variant="subtle" color="red" onClick={() => setDropping(row.recording_id)}>
                        Delete…
                      </Button>
                    ) : null}
                  </Group>,
                ],
              }))}
            />
          ) : null}
        </Section>
      ) : null}
      <Confirm
        opened={dropping !== ""}
        onClose={() => setDropping("")}
        title="Delete this recording?"
        act="Delete"
        busy={drop.isPending}
        error={drop.error}
        onAct={() => drop.mutate()}
      >
        The file is gone then. That it was there, and who deleted it, stays in the audit log.
      </Confirm>
    </>
  );
}
