import { listOf } from "@/features/devices/filter";
import type { Device } from "@/features/devices/state";
import { addressOf, guidsOf } from "./link";
import type { ComposeSearch } from "./search";

/** Which devices a run is for; pure. */
export interface Chosen {
  guids: readonly string[];
  sites: readonly string[];
  all: boolean;
}

export function chosenOf(search: ComposeSearch): Chosen {
  return { guids: guidsOf(search.devices), sites: listOf(search.sites), all: search.all === "yes" };
}

/** What stands in the address for a choice. */
export function searchOf(chosen: Chosen): Pick<ComposeSearch, "devices" | "sites" | "all"> {
  return {
    ...(chosen.guids.length > 0 ? { devices: addressOf(chosen.guids) } : {}),
    ...(chosen.sites.length > 0 ? { sites: chosen.sites.join(",") } : {}),
    ...(chosen.all ? { all: "yes" } : {}),
  };
}

/** The part of an address that says what is run. */
export function sourceOf({ script, version, again, on }: ComposeSearch): Pick<ComposeSearch, "script" | "version" | "again" | "on"> {
  return { ...(script ? { script } : {}), ...(version ? { version } : {}), ...(again ? { again } : {}), ...(on ? { on } : {}) };
}

export interface Targets {
  /** Those that get it, by name. */
  devices: Device[];
  /** Chosen, but they get no work: in quarantine, or revoked. */
  barred: Device[];
  /** GUIDs that are no device (any more), as far as the operator may see. */
  unknown: string[];
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export function targetsOf(devices: readonly Device[], chosen: Chosen): Targets {
  const named = new Set(chosen.guids.map((guid) => guid.toUpperCase()));
  const sites = new Set(chosen.sites);
  const found: Device[] = [];
  const barred: Device[] = [];
  const known = new Set<string>();
  for (const device of devices) {
    const byName = named.has(device.guid.toUpperCase());
    if (byName) known.add(device.guid.toUpperCase());
    const bySite = sites.has(device.site_id === null ? "none" : String(device.site_id));
    if (!byName && !bySite && !chosen.all) continue;
    (device.status === "active" ? found : barred).push(device);
  }
  found.sort((a, b) => collator.compare(a.hostname, b.hostname));
  return { devices: found, barred, unknown: [...named].filter((guid) => !known.has(guid)) };
}

/** Who is signed in with an agent on any of these devices, by name. */
export function signedInOf(devices: readonly Device[]): string[] {
  const names = new Set(devices.flatMap((device) => device.presence.users.map((one) => one.user)).filter((name) => name !== ""));
  return [...names].sort(collator.compare);
}
