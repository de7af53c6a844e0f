import { Group, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCircle,
  IconCircleCheckFilled,
  IconCircleDashed,
  IconCircleFilled,
  IconClock,
  IconClockX,
  IconHandStop,
  IconLoader2,
  IconPlugConnectedX,
  IconShieldX,
  IconX,
  type Icon,
} from "@tabler/icons-react";
import classes from "./StatusMark.module.css";

type Tone = "good" | "bad" | "warn" | "idle" | "busy";

/** Every state that the page shows: word and shape first, colour last. */
const MARKS: Record<string, { label: string; shape: Icon; tone: Tone }> = {
  online: { label: "Online", shape: IconCircleFilled, tone: "good" },
  offline: { label: "Offline", shape: IconCircle, tone: "idle" },
  quarantined: { label: "Quarantined", shape: IconHandStop, tone: "warn" },
  revoked: { label: "Revoked", shape: IconBan, tone: "bad" },
  waiting: { label: "Waiting for approval", shape: IconClock, tone: "warn" },
  Pending: { label: "Pending", shape: IconCircleDashed, tone: "idle" },
  Running: { label: "Running", shape: IconLoader2, tone: "busy" },
  Success: { label: "Success", shape: IconCircleCheckFilled, tone: "good" },
  Failed: { label: "Failed", shape: IconX, tone: "bad" },
  "Timed Out": { label: "Timed out", shape: IconClockX, tone: "bad" },
  Cancelled: { label: "Cancelled", shape: IconBan, tone: "idle" },
  Expired: { label: "Expired", shape: IconClockX, tone: "warn" },
  Refused: { label: "Refused", shape: IconShieldX, tone: "bad" },
  Interrupted: { label: "Interrupted", shape: IconPlugConnectedX, tone: "warn" },
};

/** The mark of a device's or a run's state. */
export function StatusMark({ status, detail }: { status: string; detail?: string | undefined }) {
  const mark = MARKS[status] ?? { label: status, shape: IconAlertTriangle, tone: "warn" as const };
  const Shape = mark.shape;
  return (
    <Group gap={6} wrap="nowrap" className={classes[mark.tone] ?? ""}>
      <Shape size={14} aria-hidden className={status === "Running" ? (classes.turning ?? "") : ""} />
      <Text span size="sm" className={classes.word ?? ""}>
        {mark.label}
        {detail ? ` · ${detail}` : ""}
      </Text>
    </Group>
  );
}
