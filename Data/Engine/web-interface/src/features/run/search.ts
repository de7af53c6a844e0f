import { PARTS, type Part } from "./states";

/** What the composer begins with; in the address, so that it can be shared. */
export interface ComposeSearch {
  /** GUIDs, by comma. */
  devices?: string;
  /** Site ids, by comma. */
  sites?: string;
  /** `yes`: every device that the operator may see. */
  all?: string;
  /** A script of the library, and which version of it. */
  script?: string;
  version?: string;
  /** A job to run again: on all its devices, or on those where it failed. */
  again?: string;
  on?: string;
}

const NAMES = ["devices", "sites", "all", "script", "version", "again", "on"] as const;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export function composeSearch(search: Record<string, unknown>): ComposeSearch {
  const found: ComposeSearch = {};
  for (const name of NAMES) {
    const value = textOf(search[name]);
    if (value) found[name] = value;
  }
  return found;
}

/** What of a job is looked at. */
export interface JobSearch {
  run?: string;
  part?: Part;
}

export function jobSearch(search: Record<string, unknown>): JobSearch {
  const run = textOf(search["run"]);
  const part = PARTS.find((one) => one.value !== "all" && one.value === search["part"])?.value;
  return { ...(run ? { run } : {}), ...(part ? { part } : {}) };
}
