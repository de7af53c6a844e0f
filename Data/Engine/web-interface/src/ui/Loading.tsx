import { Group, Loader, Text } from "@mantine/core";

/** One moment. */
export function Loading({ what = "One moment…" }: { what?: string }) {
  return (
    <Group gap="sm" py="xl" justify="center" role="status">
      <Loader size="sm" aria-hidden />
      <Text size="sm" c="dimmed">
        {what}
      </Text>
    </Group>
  );
}
