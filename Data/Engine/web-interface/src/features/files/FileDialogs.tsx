import { Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Confirm } from "@/ui/Confirm";
import { below } from "./paths";
import { makeFolder, removeEntry } from "./queries";

export type FileDialog = { kind: "folder" | "remove"; path: string };

interface Props {
  guid: string;
  user: string;
  dialog: FileDialog | null;
  onClose: () => void;
  onDone: () => void;
}

/** What is asked before a folder is made, and before something is removed. */
export function FileDialogs({ guid, user, dialog, onClose, onDone }: Props) {
  const [name, setName] = useState("");
  const act = useMutation({
    mutationFn: (wanted: FileDialog) =>
      wanted.kind === "folder" ? makeFolder(guid, below(wanted.path, name.trim()), user) : removeEntry(guid, wanted.path, user),
    onSuccess: () => {
      setName("");
      onDone();
    },
  });
  const close = () => {
    act.reset();
    onClose();
  };
  const makes = dialog?.kind === "folder";
  return (
    <Confirm
      opened={dialog !== null}
      onClose={close}
      title={makes ? "New folder" : "Remove from the device"}
      act={makes ? "Make it" : "Remove"}
      danger={!makes}
      busy={act.isPending}
      error={act.error}
      ready={!makes || name.trim() !== ""}
      onAct={() => dialog && act.mutate(dialog)}
    >
      <Stack gap="xs">
        {makes ? (
          <TextInput label="Name" data-autofocus value={name} maxLength={255} onChange={(event) => setName(event.currentTarget.value)} />
        ) : (
          <>{dialog?.path} is removed from the device. That cannot be undone. A folder has to be empty.</>
        )}
      </Stack>
    </Confirm>
  );
}
