import { Stack, Text } from "@mantine/core";
import { IconCircleDashed, type Icon } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface Props {
  title: string;
  /** What to do about it. */
  children?: ReactNode;
  action?: ReactNode;
  icon?: Icon;
}

/** Nothing here yet, and what to do. */
export function EmptyState({ title, children, action, icon: Shape = IconCircleDashed }: Props) {
  return (
    <Stack align="center" gap="xs" py={48} px="md" ta="center">
      <Shape size={32} stroke={1.4} aria-hidden opacity={0.6} />
      <Text fw={600}>{title}</Text>
      {children ? (
        <Text component="div" size="sm" c="dimmed" maw={480}>
          {children}
        </Text>
      ) : null}
      {action}
    </Stack>
  );
}
