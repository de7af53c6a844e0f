import type { Device } from "./state";

/** `device_changed`, as the Engine sends it. `deleted` and `left_site` bring the name alone. */
export interface DeviceChange {
  guid: string;
  hostname: string;
  change: string;
  status?: string;
  site_id?: number | null;
  site_name?: string;
  presence?: Device["presence"];
  last_user?: string;
  duplicate_suspected?: boolean;
  reason?: string;
}

export interface Applied {
  devices: Device[];
  /** Devices that have to be asked for: not known yet, or changed in more than was told. */
  ask: string[];
}

const GONE = new Set(["deleted", "left_site"]);
/** Changes that bring more than the event tells. */
const MORE = new Set(["edited", "enrolled"]);

/** The list with changes in place: nothing moves, nothing that did not change is made anew. */
export function applyChanges(devices: readonly Device[], changes: readonly DeviceChange[]): Applied {
  const byGuid = new Map<string, DeviceChange[]>();
  for (const change of changes) {
    const known = byGuid.get(change.guid);
    if (known) known.push(change);
    else byGuid.set(change.guid, [change]);
  }
  const sites = new Map<number, string>();
  const ask = new Set<string>();
  const next: Device[] = [];
  for (const device of devices) {
    if (device.site_id !== null && device.site_name !== null) sites.set(device.site_id, device.site_name);
    const told = byGuid.get(device.guid);
    if (told === undefined) {
      next.push(device);
      continue;
    }
    byGuid.delete(device.guid);
    let changed: Device | null = device;
    for (const one of told) {
      if (GONE.has(one.change)) changed = null;
      else changed = merged(changed ?? device, one);
      // The first inventory of a new device is worth a question; later ones are on its own page.
      const first = one.change === "details" && device.operating_system === "";
      if (first || MORE.has(one.change)) ask.add(device.guid);
    }
    if (changed === null) ask.delete(device.guid);
    else next.push(changed);
  }
  for (const [guid, told] of byGuid) {
    const last = told.at(-1);
    if (last && !GONE.has(last.change)) ask.add(guid);
  }
  return { devices: next.map((device) => named(device, sites, ask)), ask: [...ask] };
}

function merged(device: Device, change: DeviceChange): Device {
  const siteMoved = change.site_id !== undefined && change.site_id !== device.site_id;
  return {
    ...device,
    hostname: change.hostname,
    status: change.status ?? device.status,
    presence: change.presence ?? device.presence,
    last_user: change.last_user ?? device.last_user,
    duplicate_suspected: change.duplicate_suspected ?? device.duplicate_suspected,
    duplicate_reason: change.change === "duplicate" ? (change.reason ?? "") : device.duplicate_reason,
    site_id: change.site_id === undefined ? device.site_id : change.site_id,
    site_name: change.site_name ?? (siteMoved ? null : device.site_name),
  };
}

/** The name of a site that the event gave by number only. */
function named(device: Device, sites: ReadonlyMap<number, string>, ask: Set<string>): Device {
  if (device.site_id === null || device.site_name !== null) return device;
  const name = sites.get(device.site_id);
  if (name !== undefined) return { ...device, site_name: name };
  ask.add(device.guid);
  return device;
}

/** The list with one device as it is now, or with it added where its name belongs. */
export function put(devices: readonly Device[], device: Device): Device[] {
  const at = devices.findIndex((one) => one.guid === device.guid);
  if (at >= 0) return devices.with(at, device);
  const after = devices.findIndex((one) => one.hostname.toLowerCase() > device.hostname.toLowerCase());
  return after < 0 ? [...devices, device] : devices.toSpliced(after, 0, device);
}
