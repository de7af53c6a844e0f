import { period } from "@/ui/range";
import type { Sort } from "@/ui/table/rows";
import { matches, wordsOf } from "./find";
import { deviceState, isOutdated, lastSeen, STATES, type Device, type DeviceState } from "./state";

/** What the list of devices is narrowed to. It lives in the address, so that it can be shared. */
export interface DeviceSearch {
  q?: string;
  /** States, by comma. */
  state?: string;
  /** Site ids, by comma; `none` for devices without a site. */
  site?: string;
  /** Operating systems, by `|`. */
  os?: string;
  /** Not seen for so long: `12h`, `7d`. */
  older?: string;
  /** A column, with `-` in front for downwards. */
  sort?: string;
  /** `yes`: only where another machine seems to have the same identity. */
  duplicate?: string;
  /** `outdated`: only where the agent is of another build than the one that is up to date. */
  agent?: string;
  /** The saved filter that is open, by its number; what it says stands beside it, and may have been changed since. */
  filter?: number;
  /** The saved view that is open. */
  view?: number;
}

/** What narrows the list. */
export const CRITERIA = ["q", "state", "site", "os", "older", "duplicate", "agent"] as const;
const NAMES = [...CRITERIA, "sort"] as const;

export function deviceSearch(search: Record<string, unknown>): DeviceSearch {
  const found: DeviceSearch = {};
  for (const name of NAMES) {
    const value = search[name];
    if (typeof value === "number") found[name] = String(value);
    else if (typeof value === "string" && value !== "") found[name] = value;
  }
  for (const kind of ["filter", "view"] as const) {
    const id = Number(search[kind]);
    if (Number.isSafeInteger(id) && id > 0) found[kind] = id;
  }
  return found;
}

export const OLDER: readonly { value: string; label: string }[] = [
  { value: "1h", label: "Not seen for 1 hour" },
  { value: "1d", label: "Not seen for 1 day" },
  { value: "7d", label: "Not seen for 7 days" },
  { value: "30d", label: "Not seen for 30 days" },
  { value: "90d", label: "Not seen for 90 days" },
];

export function listOf(text: string | undefined, separator = ","): string[] {
  return (text ?? "").split(separator).filter(Boolean);
}

/** The devices that the search leaves, in the order they came. `now` in Unix seconds; `build`: which agents are up to date. */
export function filterDevices(devices: readonly Device[], search: DeviceSearch, now: number, build = ""): Device[] {
  const words = wordsOf(search.q ?? "");
  const states = new Set<string>(listOf(search.state));
  const sites = new Set(listOf(search.site));
  const systems = new Set(listOf(search.os, "|"));
  const older = period(search.older);
  return devices.filter((device) => {
    if (states.size > 0 && !states.has(deviceState(device))) return false;
    if (sites.size > 0 && !sites.has(device.site_id === null ? "none" : String(device.site_id))) return false;
    if (systems.size > 0 && !systems.has(device.operating_system)) return false;
    // Nothing tells when a machine without an agent was there last.
    if (older !== null && (!device.has_agent || device.presence.online || now - lastSeen(device) < older)) return false;
    if (search.duplicate === "yes" && !device.duplicate_suspected) return false;
    if (search.agent === "outdated" && !isOutdated(device, build)) return false;
    return matches(device, words);
  });
}

export function sortOf(search: DeviceSearch): Sort {
  const text = search.sort ?? "hostname";
  return text.startsWith("-") ? { id: text.slice(1), desc: true } : { id: text, desc: false };
}

export function sortText(sort: Sort): string | undefined {
  if (sort.id === "hostname" && !sort.desc) return undefined;
  return sort.desc ? `-${sort.id}` : sort.id;
}

/** How many devices are in each state. */
export function countStates(devices: readonly Device[]): Record<DeviceState, number> {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<DeviceState, number>;
  for (const device of devices) counts[deviceState(device)] += 1;
  return counts;
}

/** Whether anything is narrowed. */
export function isNarrowed(search: DeviceSearch): boolean {
  return CRITERIA.some((name) => search[name] !== undefined);
}
