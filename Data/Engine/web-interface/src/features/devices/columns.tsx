import { Group, Text, Tooltip } from "@mantine/core";
import { IconCopy } from "@tabler/icons-react";
import { StatusMark } from "@/ui/StatusMark";
import { RowLink, type Column } from "@/ui/table/DataTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { duration } from "@/ui/time";
import { deviceState, isConnected, lastSeen, stateWord, STATES, type Device } from "./state";

function Seen({ device }: { device: Device }) {
  return isConnected(device) ? <span>now</span> : <TimeAgo at={lastSeen(device)} />;
}

function Name({ device }: { device: Device }) {
  return (
    <Group gap={6} wrap="nowrap" miw={0}>
      <RowLink href={`/devices/${encodeURIComponent(device.guid)}`}>{device.hostname}</RowLink>
      {device.duplicate_suspected ? (
        <Tooltip label="Another machine seems to have the same identity">
          <IconCopy size={14} aria-label="Duplicate suspected" />
        </Tooltip>
      ) : null}
    </Group>
  );
}

export const COLUMNS: readonly Column<Device>[] = [
  {
    id: "hostname",
    header: "Name",
    width: 200,
    grow: true,
    always: true,
    cell: (device) => <Name device={device} />,
    sort: (device) => device.hostname,
  },
  {
    id: "state",
    header: "State",
    width: 140,
    always: true,
    cell: (device) => <StatusMark status={deviceState(device)} />,
    sort: (device) => STATES.indexOf(deviceState(device)),
  },
  {
    id: "last_seen",
    header: "Last seen",
    width: 132,
    descFirst: true,
    cell: (device) => <Seen device={device} />,
    sort: (device) => (isConnected(device) ? Number.MAX_SAFE_INTEGER : lastSeen(device)),
  },
  { id: "site", header: "Site", width: 140, cell: (device) => device.site_name ?? "", sort: (device) => device.site_name },
  {
    id: "operating_system",
    header: "Operating system",
    width: 200,
    grow: true,
    cell: (device) => device.operating_system,
    sort: (device) => device.operating_system,
  },
  { id: "last_user", header: "Last user", width: 140, cell: (device) => device.last_user, sort: (device) => device.last_user },
  {
    id: "internal_ip",
    header: "Address",
    width: 136,
    cell: (device) => device.internal_ip,
    sort: (device) => addressKey(device.internal_ip),
  },
  {
    id: "external_ip",
    header: "Public address",
    width: 136,
    hidden: true,
    cell: (device) => device.external_ip,
    sort: (device) => addressKey(device.external_ip),
  },
  {
    id: "description",
    header: "Description",
    width: 180,
    grow: true,
    hidden: true,
    cell: (device) => device.description,
    sort: (device) => device.description,
  },
  { id: "domain", header: "Domain", width: 140, hidden: true, cell: (device) => device.domain, sort: (device) => device.domain },
  {
    id: "device_type",
    header: "Kind",
    width: 110,
    hidden: true,
    cell: (device) => device.device_type,
    sort: (device) => device.device_type,
  },
  {
    id: "uptime",
    header: "Up for",
    width: 110,
    align: "right",
    descFirst: true,
    hidden: true,
    cell: (device) => (device.uptime > 0 ? duration(device.uptime) : ""),
    sort: (device) => device.uptime || null,
  },
  {
    id: "cpu_percent",
    header: "CPU",
    width: 80,
    align: "right",
    descFirst: true,
    hidden: true,
    cell: (device) => percent(device.cpu_percent),
    sort: (device) => device.cpu_percent,
  },
  {
    id: "memory_percent",
    header: "Memory",
    width: 90,
    align: "right",
    descFirst: true,
    hidden: true,
    cell: (device) => percent(device.memory_percent),
    sort: (device) => device.memory_percent,
  },
  {
    id: "agent_build_id",
    header: "Agent",
    width: 120,
    hidden: true,
    cell: (device) => device.agent_build_id.slice(0, 12),
    sort: (device) => device.agent_build_id,
  },
  {
    id: "created_at",
    header: "Enrolled",
    width: 140,
    descFirst: true,
    hidden: true,
    cell: (device) => <TimeAgo at={device.created_at} />,
    sort: (device) => device.created_at,
  },
];

function percent(value: number | null): string {
  return value === null ? "" : `${Math.round(value)} %`;
}

/** IPv4 addresses by number. */
function addressKey(address: string): string {
  return address.split(".").map((part) => part.padStart(3, "0")).join(".");
}

/** A device where the window is narrow. */
export function DeviceCard({ device }: { device: Device }) {
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Name device={device} />
        <StatusMark status={deviceState(device)} />
      </Group>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="xs" c="dimmed" truncate>
          {[device.site_name, device.operating_system, device.last_user].filter(Boolean).join(" · ") || "no inventory yet"}
        </Text>
        <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }} component="span">
          <Seen device={device} />
        </Text>
      </Group>
    </div>
  );
}

/** Devices as rows for a file, in full whatever columns are shown. */
export function exportRows(devices: readonly Device[]): (string | number | null)[][] {
  return [
    ["name", "state", "last_seen", "site", "operating_system", "last_user", "internal_ip", "external_ip", "domain", "kind", "description", "enrolled", "guid", "fingerprint"],
    ...devices.map((device) => [
      device.hostname,
      stateWord(device),
      iso(lastSeen(device)),
      device.site_name,
      device.operating_system,
      device.last_user,
      device.internal_ip,
      device.external_ip,
      device.domain,
      device.device_type,
      device.description,
      iso(device.created_at),
      device.guid,
      device.ssl_key_fingerprint,
    ]),
  ];
}

function iso(seconds: number): string {
  return seconds > 0 ? new Date(seconds * 1000).toISOString() : "";
}
