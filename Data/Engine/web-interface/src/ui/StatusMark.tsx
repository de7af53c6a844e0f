import { Group, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCircle,
  IconCircleCheck,
  IconCircleCheckFilled,
  IconCircleDashed,
  IconCircleFilled,
  IconCircleHalf2,
  IconClock,
  IconClockX,
  IconHandStop,
  IconLoader2,
  IconHistory,
  IconPlugConnectedX,
  IconPlugOff,
  IconShieldX,
  IconX,
  type Icon,
} from "@tabler/icons-react";
import classes from "./StatusMark.module.css";

type Tone = "good" | "bad" | "warn" | "idle" | "busy";

/** Every state that the page shows: word and shape first, colour last. */
const MARKS: Record<string, { label: string; shape: Icon; tone: Tone }> = {
  online: { label: "Online", shape: IconCircleFilled, tone: "good" },
  unconnected: { label: "Not connected", shape: IconCircleHalf2, tone: "warn" },
  offline: { label: "Offline", shape: IconCircle, tone: "idle" },
  agentless: { label: "No agent", shape: IconPlugOff, tone: "idle" },
  quarantined: { label: "Quarantined", shape: IconHandStop, tone: "warn" },
  revoked: { label: "Revoked", shape: IconBan, tone: "bad" },
  waiting: { label: "Waiting for approval", shape: IconClock, tone: "warn" },
  outdated: { label: "Agent out of date", shape: IconHistory, tone: "warn" },
  Pending: { label: "Pending", shape: IconCircleDashed, tone: "idle" },
  Running: { label: "Running", shape: IconLoader2, tone: "busy" },
  Success: { label: "Success", shape: IconCircleCheckFilled, tone: "good" },
  Completed: { label: "Completed", shape: IconCircleCheck, tone: "idle" },
  Failed: { label: "Failed", shape: IconX, tone: "bad" },
  "Timed Out": { label: "Timed out", shape: IconClockX, tone: "bad" },
  Cancelled: { label: "Cancelled", shape: IconBan, tone: "idle" },
  Expired: { label: "Expired", shape: IconClockX, tone: "warn" },
  Refused: { label: "Refused", shape: IconShieldX, tone: "bad" },
  Interrupted: { label: "Interrupted", shape: IconPlugConnectedX, tone: "warn" },
};

interface Props {
  status: string;
  detail?: string | undefined;
  /** In place of the state's own word. */
  word?: string;
}

/** The mark of a device's or a run's state. */
export function StatusMark({ status, detail, word }: Props) {
  const mark = MARKS[status] ?? { label: status, shape: IconAlertTriangle, tone: "warn" as const };
  const Shape = mark.shape;
  return (
    <Group gap={6} wrap="nowrap" className={classes[mark.tone] ?? ""}>
      <Shape size={14} aria-hidden className={status === "Running" ? `${classes.shape ?? ""} ${classes.turning ?? ""}` : (classes.shape ?? "")} />
      <Text span size="sm" className={classes.word ?? ""}>
        {word ?? mark.label}
        {detail ? ` · ${detail}` : ""}
      </Text>
    </Group>
  );
}
