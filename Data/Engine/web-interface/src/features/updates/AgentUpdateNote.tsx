import { Alert, Button, Text } from "@mantine/core";
import { IconAlertTriangle, IconHistory, IconRefresh } from "@tabler/icons-react";
import { useMay } from "@/app/session";
import { isOutdated, type Device } from "@/features/devices/state";
import { useAgentBuild } from "@/features/overview/queries";
import { ErrorNote } from "@/ui/ErrorNote";
import { TimeAgo } from "@/ui/TimeAgo";
import { useAgentUpdate, useBeginUpdate } from "./queries";
import { moodOf, sentenceOf } from "./words";

/** On a device's page: that its agent is out of date, being updated, or was not; and the way to update it. */
export function AgentUpdateNote({ device }: { device: Pick<Device, "guid" | "status" | "agent_build_id"> }) {
  const build = useAgentBuild();
  const update = useAgentUpdate(device.guid).data ?? null;
  const begin = useBeginUpdate();
  const mayUpdate = useMay("devices.update");
  const outdated = isOutdated(device, build);
  const mood = update === null ? "over" : moodOf(update);

  if (update && mood === "under way") {
    return (
      <Alert color="blue" variant="light" role="status" icon={<IconRefresh aria-hidden />}>
        <Text size="sm">
          {sentenceOf(update)}
          {update.reason ? ` ${update.reason}` : ""}
        </Text>
      </Alert>
    );
  }
  if (!outdated) return null;
  const wrong = update !== null && mood === "went wrong";
  return (
    <Alert
      color="yellow"
      variant="light"
      icon={wrong ? <IconAlertTriangle aria-hidden /> : <IconHistory aria-hidden />}
      title={wrong ? "The agent was not updated" : "The agent is out of date"}
    >
      <Text size="sm">
        {wrong ? (
          <>
            {sentenceOf(update)} {update.reason} (<TimeAgo at={update.changed_at} />)
          </>
        ) : (
          <>It is of build {device.agent_build_id.slice(0, 8)}; the one that belongs to this Engine is {build.slice(0, 8)}.</>
        )}
      </Text>
      {mayUpdate && device.status === "active" ? (
        <Button size="compact-sm" variant="default" mt="xs" loading={begin.isPending} onClick={() => begin.mutate([device.guid])}>
          {wrong ? "Try again" : "Update the agent"}
        </Button>
      ) : null}
      <ErrorNote error={begin.error} />
    </Alert>
  );
}
