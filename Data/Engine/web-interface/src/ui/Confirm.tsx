import { Button, Code, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { ErrorNote } from "./ErrorNote";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What will happen, and whether it can be undone. */
  children: ReactNode;
  /** The verb on the button. */
  act: string;
  onAct: () => void;
  busy?: boolean;
  error?: unknown;
  danger?: boolean;
  ready?: boolean;
}

/** Ask once before something happens. */
export function Confirm({ opened, onClose, title, children, act, onAct, busy, error, danger, ready = true }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !busy) onAct();
        }}
      >
        <Stack gap="md">
          <Text component="div" size="sm">
            {children}
          </Text>
          <ErrorNote error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" {...(danger ? { color: "red" } : {})} disabled={!ready} loading={busy ?? false}>
              {act}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Ask for the name before something that cannot be undone. */
export function ConfirmTyped({ word, ...props }: Omit<Props, "ready" | "danger"> & { word: string }) {
  const [typed, setTyped] = useState("");
  // The next time it is asked anew.
  if (!props.opened && typed) setTyped("");
  return (
    <Confirm {...props} danger ready={typed.trim() === word}>
      <Stack gap="sm">
        <div>{props.children}</div>
        <TextInput
          label={
            <>
              Type <Code fz="sm">{word}</Code> to go on
            </>
          }
          value={typed}
          autoFocus
          data-autofocus
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      </Stack>
    </Confirm>
  );
}
