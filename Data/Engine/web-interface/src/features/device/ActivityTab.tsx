import { Group, Stack } from "@mantine/core";
import { useMay } from "@/app/session";
import { RunList } from "@/features/run/RunList";
import { TextLink } from "@/ui/links";
import { useThisDevice } from "./useThisDevice";

/** What was run on this device, and the way to what else was done with it. */
export function ActivityTab() {
  const device = useThisDevice();
  const mayAudit = useMay("audit.read");
  if (!device) return null;
  return (
    <Stack gap="md">
      <Group gap="lg">
        <TextLink to="/activity" search={{ device: device.guid }} size="sm">
          Search the activity of this device
        </TextLink>
        {mayAudit ? (
          <TextLink to="/audit" search={{ target: device.guid }} size="sm">
            Its audit log
          </TextLink>
        ) : null}
      </Group>
      <RunList device={device.guid} limit={50} />
    </Stack>
  );
}
