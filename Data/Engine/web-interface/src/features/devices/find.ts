import type { Device } from "./state";

const texts = new WeakMap<Device, string>();

/** What of a device is searched; made once for each. */
function textOf(device: Device): string {
  let text = texts.get(device);
  if (text === undefined) {
    text = [
      device.hostname,
      device.reported_hostname,
      device.description,
      device.last_user,
      device.internal_ip,
      device.external_ip,
      device.operating_system,
      device.site_name ?? "",
      device.domain,
      device.guid,
    ]
      .join("\n")
      .toLowerCase();
    texts.set(device, text);
  }
  return text;
}

export function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Whether every word is somewhere in the device. */
export function matches(device: Device, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = textOf(device);
  return words.every((word) => text.includes(word));
}

/** The best few devices for some words: names that begin with them first. */
export function findDevices(devices: readonly Device[], query: string, limit: number): Device[] {
  const words = wordsOf(query);
  const first = words[0];
  if (first === undefined) return [];
  const found: Device[] = [];
  const others: Device[] = [];
  for (const device of devices) {
    if (!matches(device, words)) continue;
    (device.hostname.toLowerCase().startsWith(first) ? found : others).push(device);
    if (found.length >= limit) break;
  }
  return [...found, ...others].slice(0, limit);
}
