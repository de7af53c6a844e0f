import { Paper, Text } from "@mantine/core";
import type { DeviceSearch } from "@/features/devices/filter";
import { CardLink } from "@/ui/links";
import { StatusMark } from "@/ui/StatusMark";
import classes from "./Figure.module.css";

interface Props {
  label: string;
  of: string;
  value: number;
  to: "/devices" | "/enrol" | null;
  search: DeviceSearch;
  shape: string;
  /** Somebody has to do something about it. */
  loud?: boolean;
}

/** A number with what it counts, and the way there. */
export function Figure({ label, of, value, to, search, shape, loud = false }: Props) {
  const inside = (
    <>
      <StatusMark status={shape} />
      <Text component="div" className={classes.number ?? ""} data-loud={loud || undefined}>
        {value.toLocaleString()}
      </Text>
      <Text size="xs" c="dimmed">
        {of}
      </Text>
    </>
  );
  if (to === null) {
    return (
      <Paper withBorder className={classes.figure ?? ""} aria-label={`${label}: ${value}`} role="group">
        {inside}
      </Paper>
    );
  }
  return (
    <CardLink
      withBorder
      className={classes.figure ?? ""}
      to={to}
      search={search}
      data-link
    >
      {inside}
    </CardLink>
  );
}
