import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useMay } from "@/app/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { bytes } from "@/ui/time";
import { TimeAgo } from "@/ui/TimeAgo";
import { endForward, useForwards } from "./queries";

/** Who forwards ports to this device now; nothing where nobody does. They are opened by the command line. */
export function Forwards({ guid }: { guid: string }) {
  const may = useMay("forward");
  const open = useForwards(guid, may);
  const end = useMutation({ mutationFn: endForward, onSettled: () => open.refetch() });
  if (!open.data || open.data.length === 0) return null;
  return (
    <Section title="Forwarded ports">
      <ErrorNote error={end.error} what="It was not ended" />
      <SimpleTable
        label="Forwarded ports"
        head={["Operator", "Target", "Connections", "Sent", "Received", "Since", ""]}
        rows={open.data.map((one) => ({
          key: one.session_id,
          cells: [
            one.username,
            `${one.host} port ${one.port}`,
            `${one.connections} of ${one.opened}`,
            bytes(one.sent),
            bytes(one.received),
            <TimeAgo key="since" at={one.since} />,
            <Button
              key="end"
              size="compact-sm"
              variant="subtle"
              color="red"
              aria-label={`End the forward of ${one.username} to ${one.host} port ${one.port}`}
              loading={end.isPending && end.variables === one.session_id}
              onClick={() => end.mutate(one.session_id)}
            >
              End
            </Button>,
          ],
        }))}
      />
    </Section>
  );
}
