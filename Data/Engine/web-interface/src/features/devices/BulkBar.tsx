import { Button, Group, Paper, ScrollArea, Select, Text } from "@mantine/core";
import { IconArrowsMove, IconBan, IconHandStop, IconLockOpen, IconPlayerPlay, IconRefresh, IconX } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { useOpenRun } from "@/features/run/link";
import { useSites } from "@/features/sites/queries";
import { useBeginUpdate } from "@/features/updates/queries";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { devicesOf } from "@/ui/count";
import { useKey } from "@/ui/keys";
import { NameList } from "@/ui/NameList";
import { told } from "@/ui/told";
import { changeDevice, deed, DEVICES, type Deed } from "./queries";
import type { Device } from "./state";

type Asked = "move" | "update" | Deed | null;

/** Do the same to each device, one after the other; say which ones it was refused for. */
async function forEach(devices: readonly Device[], act: (device: Device) => Promise<void>): Promise<void> {
  const failed: string[] = [];
  let first: unknown;
  for (const device of devices) {
    try {
      await act(device);
    } catch (error) {
      first ??= error;
      failed.push(device.hostname);
    }
  }
  if (failed.length > 0) {
    const names = failed.slice(0, 8).join(", ") + (failed.length > 8 ? " …" : "");
    throw new Error(
      `${devices.length - failed.length} of ${devices.length} done. Not done: ${names}. ${first instanceof Error ? first.message : ""}`,
    );
  }
}

/** Those of the devices for which a deed changes anything. */
function concerned(devices: readonly Device[], what: Asked): readonly Device[] {
  if (what === "update" || what === "quarantine") return devices.filter((device) => device.status === "active");
  if (what === "release") return devices.filter((device) => device.status === "quarantined");
  if (what === "revoke") return devices.filter((device) => device.status !== "revoked");
  return devices;
}

/** What can be done with the selected devices; `r` runs a script on them. */
export function BulkBar({ devices: selected, onClear }: { devices: readonly Device[]; onClear: () => void }) {
  const [asked, ask] = useState<Asked>(null);
  const [site, setSite] = useState<string | null>(null);
  const client = useQueryClient();
  const sites = useSites();
  const mayEdit = useMay("devices.edit");
  const mayAssign = useMay("sites.edit");
  const mayRevoke = useMay("devices.revoke");
  const mayUpdate = useMay("devices.update");
  const openRun = useOpenRun();
  const run = () => openRun?.(selected.map((device) => device.guid));
  useKey("r", run, openRun !== null && selected.length > 0);
  const devices = concerned(selected, asked);

  const act = useMutation({
    mutationFn: async (what: "move" | Deed) => {
      const to = site === "none" ? null : Number(site);
      if (what !== "move") await forEach(devices, (device) => deed(device.guid, what));
      else if (!mayAssign) await forEach(devices, (device) => changeDevice(device.guid, { site_id: to }));
      else {
        const hostnames = devices.map((device) => device.guid);
        await take(api.POST("/api/sites/assign", { body: { hostnames, site_id: to } }));
      }
    },
    onSuccess: () => {
      told(`Done for ${devicesOf(devices.length)}.`);
      ask(null);
      onClear();
    },
    onSettled: () => client.invalidateQueries({ queryKey: DEVICES }),
  });
  const update = useBeginUpdate(() => {
    ask(null);
    onClear();
  });
  const close = () => {
    ask(null);
    act.reset();
    update.reset();
  };

  if (selected.length === 0) return null;
  const some = (what: Deed) => concerned(selected, what).length > 0;
  return (
    <Paper withBorder px={12} py={6} role="region" aria-label="Selected devices">
      <Group gap="xs">
        <Text size="sm" fw={600} aria-live="polite">
          {devicesOf(selected.length)} selected
        </Text>
        {openRun ? (
          <Button
            size="xs"
            variant="light"
            leftSection={<IconPlayerPlay size={15} aria-hidden />}
            onClick={run}
          >
            Run a script
          </Button>
        ) : null}
        {mayEdit ? (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconArrowsMove size={15} aria-hidden />}
            onClick={() => ask("move")}
          >
            Move to a site
          </Button>
        ) : null}
        {mayUpdate ? (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={15} aria-hidden />}
            disabled={concerned(selected, "update").length === 0}
            onClick={() => ask("update")}
          >
            Update agents
          </Button>
        ) : null}
        {mayRevoke ? (
          <>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconHandStop size={15} aria-hidden />}
              disabled={!some("quarantine")}
              onClick={() => ask("quarantine")}
            >
              Quarantine
            </Button>
            {some("release") ? (
              <Button
                size="xs"
                variant="default"
                leftSection={<IconLockOpen size={15} aria-hidden />}
                onClick={() => ask("release")}
              >
                Release
              </Button>
            ) : null}
            <Button
              size="xs"
              variant="default"
              c="red"
              leftSection={<IconBan size={15} aria-hidden />}
              disabled={!some("revoke")}
              onClick={() => ask("revoke")}
            >
              Revoke
            </Button>
          </>
        ) : null}
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          leftSection={<IconX size={15} aria-hidden />}
          onClick={onClear}
          ml="auto"
        >
          Clear
        </Button>
      </Group>
      <Confirm
        opened={asked === "move"}
        onClose={close}
        title={`Move ${devicesOf(devices.length)}`}
        act="Move"
        ready={site !== null}
        busy={act.isPending}
        error={act.error}
        onAct={() => act.mutate("move")}
      >
        <Names devices={devices} />
        <Select
          mt="sm"
          label="To the site"
          placeholder="Choose"
          searchable
          data={[
            { value: "none", label: "No site" },
            ...(sites.data ?? []).map((one) => ({ value: String(one.id), label: one.name })),
          ]}
          value={site}
          onChange={setSite}
        />
      </Confirm>
      <Confirm
        opened={asked === "update"}
        onClose={close}
        title={`Update the agent of ${devicesOf(devices.length)}?`}
        act="Update"
        busy={update.isPending}
        error={update.error}
        onAct={() => update.mutate(devices.map((device) => device.guid))}
      >
        Each replaces itself by the version that belongs to this Engine, ten at a time. One that does not come up goes
        back to the version before by itself, and the rest is then not begun. Devices that are away follow when they are
        back.
        <Names devices={devices} />
      </Confirm>
      <Confirm
        opened={asked === "quarantine"}
        onClose={close}
        title={`Quarantine ${devicesOf(devices.length)}?`}
        act="Quarantine"
        danger
        busy={act.isPending}
        error={act.error}
        onAct={() => act.mutate("quarantine")}
      >
        They get no work until they are released; they stay known, and it takes effect at once.
        <Names devices={devices} />
      </Confirm>
      <Confirm
        opened={asked === "release"}
        onClose={close}
        title={`Release ${devicesOf(devices.length)}?`}
        act="Release"
        busy={act.isPending}
        error={act.error}
        onAct={() => act.mutate("release")}
      >
        They get work again from now on, and what waits for them.
        <Names devices={devices} />
      </Confirm>
      <ConfirmTyped
        opened={asked === "revoke"}
        onClose={close}
        title={`Revoke ${devicesOf(devices.length)}?`}
        act="Revoke"
        word={devices.length === 1 ? (devices[0]?.hostname ?? "revoke") : `revoke ${devices.length}`}
        busy={act.isPending}
        error={act.error}
        onAct={() => act.mutate("revoke")}
      >
        They are cut off at once, and come back only by a new enrolment that you approve.
        <Names devices={devices} />
      </ConfirmTyped>
    </Paper>
  );
}

function Names({ devices }: { devices: readonly Device[] }) {
  return (
    <ScrollArea.Autosize mah={160} mt="sm" type="auto" viewportProps={{ tabIndex: 0, role: "region", "aria-label": "Devices" }}>
      <Text size="sm" c="dimmed">
        <NameList names={devices.map((device) => device.hostname)} />
      </Text>
    </ScrollArea.Autosize>
  );
}
