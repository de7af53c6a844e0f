import { Button, Group, Stack, Switch, Text, Textarea } from "@mantine/core";
import { IconClipboardCopy, IconClipboardPlus, IconKeyboard } from "@tabler/icons-react";
import { useState } from "react";

interface Props {
  /** What the other side has, as far as it is known. */
  text: string;
  disabled: boolean;
  share: boolean;
  onShare: (share: boolean) => void;
  onPut: (text: string) => void;
  onType: (text: string) => void;
}

/** The clipboard of the other side, in the open: texts go both ways through it, in every browser. */
export function ClipboardPanel({ text, disabled, share, onShare, onPut, onType }: Props) {
  const [draft, setDraft] = useState(text);
  const [seen, setSeen] = useState(text);
  if (seen !== text) {
    setSeen(text);
    setDraft(text);
  }
  return (
    <Stack gap="xs">
      <Textarea
        label="Clipboard of the desktop"
        description="What is copied there appears here."
        autosize
        minRows={2}
        maxRows={8}
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
      />
      <Group gap="xs">
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconClipboardPlus size={16} aria-hidden />}
          disabled={disabled}
          onClick={() => onPut(draft)}
        >
          Put on the desktop&apos;s clipboard
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconKeyboard size={16} aria-hidden />}
          disabled={disabled || !draft}
          onClick={() => onType(draft)}
        >
          Type it there
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconClipboardCopy size={16} aria-hidden />}
          disabled={!draft}
          onClick={() => void navigator.clipboard.writeText(draft)}
        >
          Copy to this machine
        </Button>
      </Group>
      <Switch
        label="Keep both clipboards the same"
        description="As far as this browser allows: what you copied here goes there with the keyboard's focus, passwords too."
        checked={share}
        onChange={(event) => onShare(event.currentTarget.checked)}
      />
      <Text size="xs" c="dimmed">
        Text only.
      </Text>
    </Stack>
  );
}
