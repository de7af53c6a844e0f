import { Checkbox, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { Confirm } from "@/ui/Confirm";
import { told } from "@/ui/told";
import type { DeviceSearch } from "./filter";
import type { Look, Saved } from "./saved";
import { useChange, useCreate, useRemove } from "./useSaved";

const MAX_NAME = 128;

interface SaveProps {
  search: DeviceSearch;
  look: Look;
  mayShare: boolean;
  onClose: () => void;
  onSaved: (made: Saved) => void;
}

/** Keep the list in use under a name. */
export function SaveAs({ search, look, mayShare, onClose, onSaved }: SaveProps) {
  const [name, setName] = useState("");
  const [shared, share] = useState(false);
  const [whole, keepWhole] = useState(search.view !== undefined);
  const save = useCreate((made) => {
    told(made.shared ? `Saved as “${made.name}”; everybody sees it.` : `Saved as “${made.name}”.`);
    onClose();
    onSaved(made);
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title="Save this list"
      act="Save"
      ready={name.trim() !== ""}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate({ name: name.trim(), shared, search, look: whole ? look : null })}
    >
      <Stack gap="sm">
        <Name value={name} onChange={setName} />
        <Checkbox
          label="With columns, order and density"
          description="Whoever opens it sees the table as it is now."
          checked={whole}
          onChange={(event) => keepWhole(event.currentTarget.checked)}
        />
        {mayShare ? (
          <Checkbox
            label="Share with everybody"
            description="They see the filter, and of the devices only what they may."
            checked={shared}
            onChange={(event) => share(event.currentTarget.checked)}
          />
        ) : null}
      </Stack>
    </Confirm>
  );
}

function Name({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <TextInput
      label="Name"
      data-autofocus
      value={value}
      maxLength={MAX_NAME}
      autoComplete="off"
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

interface Props {
  saved: Saved;
  onClose: () => void;
}

/** Put what is shown in place of what was saved. */
export function OverwriteSaved({ saved, search, look, onClose }: Props & { search: DeviceSearch; look: Look }) {
  const save = useChange(saved, () => {
    told(`“${saved.name}” was changed.`);
    onClose();
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Change ${saved.name}?`}
      act="Save the changes"
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate({ content: { search, look } })}
    >
      {saved.kind === "view" ? "The filters, columns, order and density" : "The filters"} that you see now take the place of
      what was saved{saved.shared ? ", for everybody" : ""}.
    </Confirm>
  );
}

export function RenameSaved({ saved, onClose }: Props) {
  const [name, setName] = useState(saved.name);
  const rename = useChange(saved, onClose);
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Rename ${saved.name}`}
      act="Rename"
      ready={name.trim() !== ""}
      busy={rename.isPending}
      error={rename.error}
      onAct={() => rename.mutate({ name: name.trim() })}
    >
      <Name value={name} onChange={setName} />
    </Confirm>
  );
}

/** Let everybody see it, or oneself alone again. */
export function ShareSaved({ saved, onClose }: Props) {
  const share = useChange(saved, (changed) => {
    told(changed.shared ? `Everybody sees “${changed.name}” now.` : `“${changed.name}” is yours alone again.`);
    onClose();
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={saved.shared ? `Stop sharing ${saved.name}?` : `Share ${saved.name}?`}
      act={saved.shared ? "Stop sharing" : "Share"}
      busy={share.isPending}
      error={share.error}
      onAct={() => share.mutate({ shared: !saved.shared })}
    >
      {saved.shared
        ? "It goes from everybody's list but yours, and its link opens for nobody else."
        : "Everybody finds it in their list and may open its link. Of the devices they see only what they may. Those who may edit devices may change it too."}
    </Confirm>
  );
}

export function DeleteSaved({ saved, onClose, onDeleted }: Props & { onDeleted: () => void }) {
  const remove = useRemove(saved, () => {
    told(`“${saved.name}” was deleted.`);
    onClose();
    onDeleted();
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Delete ${saved.name}?`}
      act="Delete"
      danger
      busy={remove.isPending}
      error={remove.error}
      onAct={() => remove.mutate()}
    >
      {saved.shared ? "Everybody loses it, and its link opens nothing any more." : "Its link opens nothing any more."} No
      device changes by it.
    </Confirm>
  );
}
