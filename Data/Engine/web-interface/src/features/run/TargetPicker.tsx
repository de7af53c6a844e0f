import { Alert, Badge, Button, CloseButton, Group, MultiSelect, Paper, ScrollArea, Select, Stack, Switch, Text, UnstyledButton } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useDeferredValue, useMemo, useState } from "react";
import { filterDevices } from "@/features/devices/filter";
import { matches, wordsOf } from "@/features/devices/find";
import { useDevices } from "@/features/devices/queries";
import { deviceState, isConnected, type Device } from "@/features/devices/state";
import { useSaved } from "@/features/devices/useSaved";
import { useAgentBuild } from "@/features/overview/queries";
import { useSites } from "@/features/sites/queries";
import { useNow } from "@/ui/clock";
import { devicesOf } from "@/ui/count";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { SearchBox } from "@/ui/SearchBox";
import { StatusMark } from "@/ui/StatusMark";
import { told } from "@/ui/told";
import { KEPT } from "./link";
import type { Chosen, Targets } from "./targets";

const SHOWN = 8;
const MOST_NAMES = 200;
const NONE: readonly Device[] = [];

interface Props {
  chosen: Chosen;
  targets: Targets;
  onChange: (chosen: Chosen) => void;
  /** The address speaks of a choice that this page does not have. */
  lost: boolean;
}

/** On which devices: found by search, by a saved filter, whole sites, or all. The names are always there to be read. */
export function TargetPicker({ chosen, targets, onChange, lost }: Props) {
  const asked = useDevices();
  const sites = useSites();
  const saved = useSaved(true);
  const build = useAgentBuild((saved.data ?? []).some((one) => one.search.agent !== undefined));
  const now = useNow();
  const [typed, setTyped] = useState("");
  const words = useDeferredValue(typed);
  const devices = asked.data ?? NONE;
  const found = useMemo(() => {
    const parts = wordsOf(words);
    return parts.length === 0 ? [] : devices.filter((device) => device.status === "active" && matches(device, parts));
  }, [devices, words]);
  const known = useMemo(() => new Set(targets.devices.map((device) => device.guid)), [targets.devices]);
  const others = found.filter((device) => !known.has(device.guid));
  const named = new Set(chosen.guids.map((guid) => guid.toUpperCase()));
  const add = (more: readonly Device[]) => onChange({ ...chosen, guids: [...chosen.guids, ...more.map((device) => device.guid)] });
  const remove = (guid: string) => onChange({ ...chosen, guids: chosen.guids.filter((one) => one.toUpperCase() !== guid.toUpperCase()) });
  const addFiltered = (key: string | null) => {
    const filter = saved.data?.find((one) => `${one.kind} ${one.id}` === key);
    if (!filter) return;
    const fitting = filterDevices(devices, filter.search, now, build).filter((one) => one.status === "active" && !known.has(one.guid));
    add(fitting);
    told(`“${filter.name}” added ${devicesOf(fitting.length)}, as it is now.`);
  };
  const online = targets.devices.filter(isConnected).length;
  const unconnected = targets.devices.filter((device) => deviceState(device) === "unconnected").length;
  const agentless = targets.devices.filter((device) => !device.has_agent).length;
  const away = targets.devices.length - online - agentless;

  return (
    <Stack gap="xs">
      <ErrorNote error={asked.error} what="The devices could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      <SearchBox w="100%" label="Find devices to add" placeholder="Name, user, address, system…" value={typed} onChange={setTyped} />
      {typed.trim() ? (
        <Paper withBorder p={4} role="group" aria-label="Found devices">
          {others.slice(0, SHOWN).map((device) => (
            <UnstyledButton key={device.guid} w="100%" px={8} py={5} onClick={() => add([device])} aria-label={`Add ${device.hostname}`}>
              <Group gap="xs" wrap="nowrap" justify="space-between">
                <Group gap="xs" wrap="nowrap" miw={0} flex={1}>
                  <IconPlus size={15} aria-hidden style={{ flex: "none" }} />
                  <Text size="sm" fw={550} truncate style={{ flex: "none", maxWidth: "60%" }}>
                    {device.hostname}
                  </Text>
                  <Text size="xs" c="dimmed" truncate visibleFrom="sm">
                    {[device.site_name, device.operating_system].filter(Boolean).join(" · ")}
                  </Text>
                </Group>
                <StatusMark status={deviceState(device)} />
              </Group>
            </UnstyledButton>
          ))}
          {others.length === 0 ? (
            <Text size="sm" c="dimmed" px={8} py={5}>
              {found.length > 0 ? "All that were found are chosen already." : "No device is like that."}
            </Text>
          ) : (
            <Button
              size="xs"
              variant="subtle"
              onClick={() => {
                add(others);
                setTyped("");
              }}
            >
              Add all {others.length.toLocaleString()} found
            </Button>
          )}
        </Paper>
      ) : null}
      <Group gap="xs" align="flex-end" wrap="wrap">
        {(sites.data ?? []).length > 0 ? (
          <MultiSelect
            label="Whole sites"
            placeholder={chosen.sites.length > 0 ? "" : "None"}
            flex="1 1 200px"
            searchable
            clearable
            disabled={chosen.all}
            data={[{ value: "none", label: "No site" }, ...(sites.data ?? []).map((site) => ({ value: String(site.id), label: site.name }))]}
            value={[...chosen.sites]}
            onChange={(value) => onChange({ ...chosen, sites: value })}
          />
        ) : null}
        {(saved.data ?? []).length > 0 ? (
          <Select
            label="Add by a filter"
            placeholder="Choose a filter"
            flex="1 1 200px"
            searchable
            disabled={chosen.all || !asked.data}
            data={(saved.data ?? []).map((one) => ({ value: `${one.kind} ${one.id}`, label: one.name }))}
            value={null}
            onChange={addFiltered}
          />
        ) : null}
        <Switch pb={8} label="All devices" checked={chosen.all} onChange={(event) => onChange({ ...chosen, all: event.currentTarget.checked })} />
      </Group>
      {lost ? (
        <Alert color="yellow" variant="light">
          The devices that were chosen before are not known any more: the choice was too long for an address. Choose again.
        </Alert>
      ) : null}
      {asked.data && targets.unknown.length > 0 && !lost ? (
        <Alert color="yellow" variant="light">
          {targets.unknown.length === 1 ? "One of the chosen devices is" : `${targets.unknown.length} of the chosen devices are`} not there
          any more, or in a site that you may not see. Nothing is run there.
        </Alert>
      ) : null}
      {targets.barred.length > 0 ? (
        <Alert color="yellow" variant="light">
          Left out, because they get no work:{" "}
          {targets.barred.slice(0, 20).map((device) => `${device.hostname} (${device.status})`).join(", ")}
          {targets.barred.length > 20 ? ` and ${targets.barred.length - 20} more` : ""}.
        </Alert>
      ) : null}
      {away > 0 ? (
        <Alert color="yellow" variant="light" role="status">
          {waitsFor(away, targets.devices.length)}
        </Alert>
      ) : null}
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600} aria-live="polite">
          {targets.devices.length === 0
            ? "No device is chosen"
            : `${devicesOf(targets.devices.length)}: ${online.toLocaleString()} online${unconnected ? `, ${unconnected.toLocaleString()} not connected` : ""}${away > unconnected ? `, ${(away - unconnected).toLocaleString()} offline` : ""}${agentless ? `, ${agentless.toLocaleString()} without an agent` : ""}`}
        </Text>
        {targets.devices.length > 0 || chosen.guids.length > 0 ? (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onChange({ guids: [], sites: [], all: false })}>
            Choose none
          </Button>
        ) : null}
      </Group>
      {targets.devices.length > 0 ? (
        <ScrollArea.Autosize mah={168} type="auto">
          <Group gap={6}>
            {targets.devices.slice(0, MOST_NAMES).map((device) => (
              <Badge
                key={device.guid}
                variant="default"
                tt="none"
                size="lg"
                fw={500}
                radius="sm"
                maw={240}
                title={device.hostname}
                rightSection={
                  named.has(device.guid.toUpperCase()) && !chosen.all ? (
                    <CloseButton size={18} aria-label={`Leave out ${device.hostname}`} onClick={() => remove(device.guid)} />
                  ) : null
                }
              >
                {device.hostname}
              </Badge>
            ))}
            {targets.devices.length > MOST_NAMES ? (
              <Text size="sm" c="dimmed">
                and {(targets.devices.length - MOST_NAMES).toLocaleString()} more
              </Text>
            ) : null}
          </Group>
        </ScrollArea.Autosize>
      ) : null}
    </Stack>
  );
}

export function isLost(devices: string | undefined, chosen: Chosen): boolean {
  return devices === KEPT && chosen.guids.length === 0;
}

/** What happens where no agent is connected; `away` of `all` devices. */
function waitsFor(away: number, all: number): string {
  const who = all === 1 ? "The device is" : away === all ? "The devices are" : `${away.toLocaleString()} of the devices ${away === 1 ? "is" : "are"}`;
  return `${who} not connected: the script waits until ${away === 1 ? "it is" : "they are"} back, or until the waiting is given up.`;
}
