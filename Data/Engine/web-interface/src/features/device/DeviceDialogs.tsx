import { Select, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { changeDevice, deed, deleteDevice, deviceKey, DEVICES, useDeviceAct, type DeviceFull } from "@/features/devices/queries";
import { useSites } from "@/features/sites/queries";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { told } from "@/ui/told";

export type Dialog = "rename" | "describe" | "move" | "quarantine" | "release" | "revoke" | "delete";

interface Props {
  device: DeviceFull;
  dialog: Dialog | null;
  onClose: () => void;
}

/** Everything that asks before it changes a device; one at a time. */
export function DeviceDialogs({ device, dialog, onClose }: Props) {
  const { guid, hostname } = device;
  const client = useQueryClient();
  const navigate = useNavigate();
  const act = useDeviceAct(guid, "Done.", onClose);
  const remove = useMutation({
    mutationFn: () => deleteDevice(guid),
    onSuccess: async () => {
      told(`${hostname} was deleted.`);
      onClose();
      await navigate({ to: "/devices" });
      client.removeQueries({ queryKey: deviceKey(guid) });
      await client.invalidateQueries({ queryKey: DEVICES });
    },
  });
  const close = () => {
    act.reset();
    remove.reset();
    onClose();
  };
  const common = { onClose: close, busy: act.isPending, error: act.error };

  return (
    <>
      {dialog === "rename" || dialog === "describe" || dialog === "move" ? (
        <Edit key={dialog} device={device} what={dialog} {...common} onSave={(patch) => act.mutate(() => changeDevice(guid, patch))} />
      ) : null}
      <Confirm
        {...common}
        opened={dialog === "quarantine"}
        title={`Quarantine ${hostname}?`}
        act="Quarantine"
        onAct={() => act.mutate(() => deed(guid, "quarantine"))}
      >
        It stays known and connected, and gets no work until it is released. It takes effect at once.
      </Confirm>
      <Confirm
        {...common}
        opened={dialog === "release"}
        title={`Release ${hostname}?`}
        act="Release"
        onAct={() => act.mutate(() => deed(guid, "release"))}
      >
        It gets work again, and what waited for it.
      </Confirm>
      <ConfirmTyped
        {...common}
        opened={dialog === "revoke"}
        title={`Revoke ${hostname}?`}
        act="Revoke"
        word={hostname}
        onAct={() => act.mutate(() => deed(guid, "revoke"))}
      >
        Its tokens end and it is cut off at once. It comes back only by a new enrolment that you approve.
      </ConfirmTyped>
      <ConfirmTyped
        opened={dialog === "delete"}
        onClose={close}
        busy={remove.isPending}
        error={remove.error}
        title={`Delete ${hostname}?`}
        act="Delete"
        word={hostname}
        onAct={() => remove.mutate()}
      >
        The device and its inventory are forgotten, and it is cut off. The audit log keeps what was done.
      </ConfirmTyped>
    </>
  );
}

interface EditProps {
  device: DeviceFull;
  what: "rename" | "describe" | "move";
  onClose: () => void;
  busy: boolean;
  error: unknown;
  onSave: (patch: { hostname?: string; description?: string; site_id?: number | null }) => void;
}

function Edit({ device, what, onClose, busy, error, onSave }: EditProps) {
  const sites = useSites();
  const [name, setName] = useState(device.hostname);
  const [description, setDescription] = useState(device.description);
  const [site, setSite] = useState(device.site_id === null ? "none" : String(device.site_id));
  if (what === "rename") {
    return (
      <Confirm
        opened
        onClose={onClose}
        title={`Rename ${device.hostname}`}
        act="Rename"
        busy={busy}
        error={error}
        ready={name.trim() !== "" && name !== device.hostname}
        onAct={() => onSave({ hostname: name.trim() })}
      >
        <TextInput
          label="Name in Borealis"
          description="The machine's own host name stays as it is."
          data-autofocus
          value={name}
          maxLength={253}
          onChange={(event) => setName(event.currentTarget.value)}
        />
      </Confirm>
    );
  }
  if (what === "describe") {
    return (
      <Confirm
        opened
        onClose={onClose}
        title={`Describe ${device.hostname}`}
        act="Save"
        busy={busy}
        error={error}
        onAct={() => onSave({ description })}
      >
        <Textarea
          label="Description"
          description="What it is for, where it stands, whose it is."
          data-autofocus
          autosize
          minRows={2}
          value={description}
          maxLength={1000}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
      </Confirm>
    );
  }
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Move ${device.hostname} to a site`}
      act="Move"
      busy={busy}
      error={error}
      onAct={() => onSave({ site_id: site === "none" ? null : Number(site) })}
    >
      <Select
        label="Site"
        description="Operators who are limited to sites see it there and nowhere else."
        data={[
          { value: "none", label: "No site" },
          ...(sites.data ?? []).map((one) => ({ value: String(one.id), label: one.name })),
        ]}
        value={site}
        allowDeselect={false}
        onChange={(value) => setSite(value ?? "none")}
      />
    </Confirm>
  );
}
