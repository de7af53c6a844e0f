import { Text } from "@mantine/core";
import type { ActivitySearch } from "@/features/activity/search";
import type { DeviceSearch } from "@/features/devices/filter";
import { CardLink } from "@/ui/links";
import { StatusMark } from "@/ui/StatusMark";
import classes from "./Figure.module.css";

interface Props {
  label: string;
  of: string;
  /** Null while it is not known yet. */
  value: number | null;
  to: "/devices" | "/enrol" | "/activity";
  search: DeviceSearch | ActivitySearch;
  shape: string;
  /** Somebody has to do something about it. */
  loud?: boolean;
}

/** A number with what it counts, and the way there. */
export function Figure({ label, of, value, to, search, shape, loud = false }: Props) {
  return (
    <CardLink
      withBorder
      className={classes.figure ?? ""}
      to={to}
      search={search}
      data-link
    >
      <StatusMark status={shape} word={label} />
      <Text component="div" className={classes.number ?? ""} data-loud={loud || undefined}>
        {value === null ? "…" : value.toLocaleString()}
      </Text>
      <Text size="xs" c="dimmed">
        {of}
      </Text>
    </CardLink>
  );
}
