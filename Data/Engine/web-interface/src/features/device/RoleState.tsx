import { Group, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconX } from "@tabler/icons-react";

const GOOD = new Set(["running", "ok", "healthy", "ready", "loaded", "started"]);
const BAD = new Set(["failed", "rejected", "error", "crashed"]);

/** The state of a role: word and shape. */
export function RoleState({ state }: { state: string }) {
  const Shape = GOOD.has(state) ? IconCircleCheck : BAD.has(state) ? IconX : IconAlertTriangle;
  return (
    <Group gap={6} wrap="nowrap" c={BAD.has(state) ? "red" : "inherit"}>
      <Shape size={15} aria-hidden />
      <Text span size="sm">
        {state || "unknown"}
      </Text>
    </Group>
  );
}
