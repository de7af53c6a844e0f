import { Select, type BoxProps } from "@mantine/core";
import { useDevices } from "./queries";

interface Props {
  /** A GUID; an address may name a device by its name too, or one that is gone. */
  value: string | undefined;
  onChange: (guid: string) => void;
  label?: string;
  "aria-label"?: string;
  w?: BoxProps["w"];
}

/** One device, found by its name. */
export function DeviceField({ value, onChange, w = 200, ...named }: Props) {
  const devices = useDevices();
  return (
    <Select
      {...named}
      placeholder="Any device"
      w={w}
      clearable
      searchable
      limit={50}
      nothingFoundMessage="No device is called like that"
      data={choices(devices.data ?? [], value)}
      value={value ?? null}
      onChange={(chosen) => onChange(chosen ?? "")}
    />
  );
}

function choices(devices: readonly { guid: string; hostname: string; site_name: string | null }[], chosen: string | undefined) {
  const names = new Map<string, number>();
  for (const device of devices) names.set(device.hostname, (names.get(device.hostname) ?? 0) + 1);
  const found = devices.map((device) => ({
    value: device.guid,
    label: (names.get(device.hostname) ?? 0) > 1 ? `${device.hostname} (${device.site_name ?? "no site"}, ${device.guid.slice(0, 8)})` : device.hostname,
  }));
  if (chosen && !found.some((one) => one.value === chosen)) found.unshift({ value: chosen, label: chosen });
  return found;
}
