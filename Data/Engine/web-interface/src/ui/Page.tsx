import { Box, Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Page.module.css";
import { useTitle } from "./title";

interface Props {
  title: string;
  /** What the window is called, where it differs from the heading. */
  windowTitle?: string;
  /** One quiet sentence below the heading. */
  about?: ReactNode;
  actions?: ReactNode;
  /** Beside the heading: a state, a count. */
  beside?: ReactNode;
  /** Fill the window: the content scrolls, not the page. */
  fill?: boolean;
  /** Narrower, for reading and forms. */
  narrow?: boolean;
  children: ReactNode;
}

/** The frame of every page: heading, actions, content. */
export function Page({ title, windowTitle, about, actions, beside, fill = false, narrow = false, children }: Props) {
  useTitle(windowTitle ?? title);
  return (
    <Box className={classes.page ?? ""} mod={{ fill, narrow }}>
      <Group justify="space-between" align="flex-start" gap="xs" className={classes.head ?? ""}>
        <Box miw={0}>
          <Group gap="sm" align="center">
            <Title order={1} className={classes.title ?? ""}>
              {title}
            </Title>
            {beside}
          </Group>
          {about ? (
            <Text component="div" size="sm" c="dimmed" mt={4}>
              {about}
            </Text>
          ) : null}
        </Box>
        {actions ? <Group gap="xs">{actions}</Group> : null}
      </Group>
      {children}
    </Box>
  );
}

/** A titled part of a page. */
export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className={classes.section ?? ""}>
      <Group justify="space-between" gap="xs" mb="xs">
        <Title order={2} size="h5">
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </section>
  );
}
