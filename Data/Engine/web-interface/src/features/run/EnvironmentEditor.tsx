import { ActionIcon, Button, Group, Stack, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { Entry } from "@/features/scripts/parts";

/** Environment variables, as texts. */
export function EnvironmentEditor({ entries, onChange }: { entries: readonly Entry[]; onChange: (entries: Entry[]) => void }) {
  const change = (place: number, part: Partial<Entry>) =>
    onChange(entries.map((one, at) => (at === place ? { ...one, ...part } : one)));
  return (
    <Stack gap="xs">
      {entries.map((entry, place) => (
        <Group key={place} gap="xs" align="flex-end" wrap="nowrap" role="group" aria-label={entry.name || `entry ${place + 1}`}>
          <TextInput label="Name" flex={1} miw={0} value={entry.name} autoComplete="off" spellCheck={false} onChange={(event) => change(place, { name: event.currentTarget.value })} />
          <TextInput label="Value" flex={2} miw={0} value={entry.value} autoComplete="off" spellCheck={false} onChange={(event) => change(place, { value: event.currentTarget.value })} />
          <ActionIcon variant="subtle" color="gray" size={36} aria-label={`Remove ${entry.name || `entry ${place + 1}`}`} onClick={() => onChange(entries.filter((_, at) => at !== place))}>
            <IconTrash size={17} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <Button variant="default" size="xs" w="fit-content" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => onChange([...entries, { name: "", value: "" }])}>
        Add an entry
      </Button>
    </Stack>
  );
}
