import { Button, CloseButton, Group, Menu, Text, TextInput } from "@mantine/core";
import { IconBookmark, IconLink } from "@tabler/icons-react";
import { useState } from "react";
import { told } from "@/ui/told";
import { usePreference } from "@/ui/preferences";
import { isNarrowed, type DeviceSearch } from "./filter";

interface Saved {
  name: string;
  search: DeviceSearch;
}

const NO_FILTERS: readonly Saved[] = [];

/** Filters under a name, and the link to the one in use. */
export function SavedFilters({ search, onOpen }: { search: DeviceSearch; onOpen: (search: DeviceSearch) => void }) {
  const [saved, save] = usePreference<readonly Saved[]>("devices.filters", NO_FILTERS);
  const [name, setName] = useState("");
  const usable = isNarrowed(search) || search.sort !== undefined;
  return (
    <Menu position="bottom-end" width={280}>
      <Menu.Target>
        <Button variant="default" leftSection={<IconBookmark size={16} aria-hidden />}>
          Filters
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Saved in this browser</Menu.Label>
        {saved.length === 0 ? (
          <Text size="sm" c="dimmed" px={12} py={4}>
            None yet.
          </Text>
        ) : (
          saved.map((one) => (
            <Group key={one.name} gap={4} wrap="nowrap">
              <Menu.Item onClick={() => onOpen(one.search)}>{one.name}</Menu.Item>
              <CloseButton
                size="sm"
                aria-label={`Delete the filter ${one.name}`}
                onClick={() => save(saved.filter((other) => other !== one))}
              />
            </Group>
          ))
        )}
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconLink size={16} aria-hidden />}
          onClick={() => {
            void navigator.clipboard.writeText(window.location.href).then(() => told("The link to this list was copied."));
          }}
        >
          Copy the link to this list
        </Menu.Item>
        {usable ? (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              const called = name.trim();
              if (!called) return;
              save([...saved.filter((one) => one.name !== called), { name: called, search }]);
              setName("");
              told(`Saved as “${called}”.`);
            }}
          >
            <Group gap={6} p={8} wrap="nowrap">
              <TextInput
                size="xs"
                flex={1}
                aria-label="Name of this filter"
                placeholder="Save these filters as…"
                value={name}
                maxLength={60}
                onChange={(event) => setName(event.currentTarget.value)}
                onKeyDown={(event) => event.stopPropagation()}
              />
              <Button size="xs" type="submit" disabled={!name.trim()}>
                Save
              </Button>
            </Group>
          </form>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  );
}
