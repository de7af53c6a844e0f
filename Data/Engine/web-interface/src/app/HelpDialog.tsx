import { Group, Kbd, Modal, Stack, Text } from "@mantine/core";
import { Fragment } from "react";
import { useKey } from "@/ui/keys";

const KEYS: readonly (readonly [title: string, keys: readonly (readonly [key: string, what: string])[]])[] = [
  [
    "Everywhere",
    [
      ["Ctrl K", "Find a device, a script or a page, or do something"],
      ["/", "Search in this list"],
      ["?", "This help"],
      ["Esc", "Close, or empty the search"],
    ],
  ],
  [
    "In tables",
    [
      ["j  k", "Next and previous row"],
      ["Enter", "Open the row"],
      ["Space", "Select the row; with Shift everything up to it"],
      ["Home  End", "First and last row"],
      ["r", "Run a script on the selected devices"],
    ],
  ],
  ["On a device", [["r", "Run a script on it"]]],
  [
    "In a script",
    [
      ["Ctrl Enter", "Run it; in the library, save it"],
      ["Ctrl F", "Search in it"],
      ["Esc Tab", "Leave the editor (Tab alone indents)"],
    ],
  ],
];

/** What the keyboard does. */
export function HelpDialog({ opened, onOpen, onClose }: { opened: boolean; onOpen: () => void; onClose: () => void }) {
  useKey("?", onOpen, !opened);
  return (
    <Modal opened={opened} onClose={onClose} title="Keyboard" centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="lg">
        {KEYS.map(([title, keys]) => (
          <div key={title}>
            <Text fw={600} size="sm" mb={6}>
              {title}
            </Text>
            <Stack gap={6}>
              {keys.map(([key, what]) => (
                <Group key={key} justify="space-between" wrap="nowrap" gap="md">
                  <Text size="sm">{what}</Text>
                  <Group gap={4} wrap="nowrap">
                    {key.split(/\s+/).map((one, place) => (
                      <Fragment key={place}>
                        <Kbd size="sm">{one}</Kbd>
                      </Fragment>
                    ))}
                  </Group>
                </Group>
              ))}
            </Stack>
          </div>
        ))}
      </Stack>
    </Modal>
  );
}
