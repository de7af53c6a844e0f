import { Button, Group, Paper, ScrollArea, Select, Text } from "@mantine/core";
import { IconArrowsMove, IconBan, IconHandStop, IconPlayerPlay, IconX } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { useOpenRun } from "@/features/run/link";
import { useSites } from "@/features/sites/queries";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { told } from "@/ui/told";
import { changeDevice, deed, DEVICES, type Deed } from "./queries";
import type { Device } from "./state";

type Asked = "move" | "quarantine" | "revoke" | null;

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

/** What can be done with the selected devices. */
export function BulkBar({ devices, onClear }: { devices: readonly Device[]; onClear: () => void }) {
  const [asked, ask] = useState<Asked>(null);
  const [site, setSite] = useState<string | null>(null);
  const client = useQueryClient();
  const sites = useSites();
  const mayEdit = useMay("devices.edit");
  const mayAssign = useMay("sites.edit");
  const mayRevoke = useMay("devices.revoke");
  const openRun = useOpenRun();

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
      told(`Done for ${count(devices.length)}.`);
      ask(null);
      onClear();
    },
    onSettled: () => client.invalidateQueries({ queryKey: DEVICES }),
  });
  const close = () => {
    ask(null);
    act.reset();
  };

  if (devices.length === 0) return null;
  return (
    <Paper withBorder px={12} py={6} role="region" aria-label="Selected devices">
      <Group gap="xs">
        <Text size="sm" fw={600} aria-live="polite">
          {count(devices.length)} selected
        </Text>
        {openRun ? (
          <Button
            size="xs"
            variant="light"
            leftSection={<IconPlayerPlay size={15} aria-hidden />}
            onClick={() => openRun(devices.map((device) => device.guid))}
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
        {mayRevoke ? (
          <>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconHandStop size={15} aria-hidden />}
              onClick={() => ask("quarantine")}
            >
              Quarantine
            </Button>
            <Button
              size="xs"
              variant="default"
              c="red"
              leftSection={<IconBan size={15} aria-hidden />}
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
        title={`Move ${count(devices.length)}`}
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
        opened={asked === "quarantine"}
        onClose={close}
        title={`Quarantine ${count(devices.length)}?`}
        act="Quarantine"
        danger
        busy={act.isPending}
        error={act.error}
        onAct={() => act.mutate("quarantine")}
      >
        They get no work until they are released; they stay known, and it takes effect at once.
        <Names devices={devices} />
      </Confirm>
      <ConfirmTyped
        opened={asked === "revoke"}
        onClose={close}
        title={`Revoke ${count(devices.length)}?`}
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

function count(number: number): string {
  return number === 1 ? "1 device" : `${number.toLocaleString()} devices`;
}

function Names({ devices }: { devices: readonly Device[] }) {
  return (
    <ScrollArea.Autosize mah={160} mt="sm" type="auto">
      <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {devices.map((device) => device.hostname).join(", ")}
      </Text>
    </ScrollArea.Autosize>
  );
}
