import type { ScriptItem } from "./queries";

/** What the library is narrowed to; in the address. */
export interface ScriptsSearch {
  q?: string;
  domain?: string;
  category?: string;
  /** `yes`: the deleted ones instead. */
  deleted?: string;
}

const NAMES = ["q", "domain", "category", "deleted"] as const;

export function scriptsSearch(search: Record<string, unknown>): ScriptsSearch {
  const found: ScriptsSearch = {};
  for (const name of NAMES) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}

export interface ScriptSearch {
  tab?: "versions";
  /** Which version is looked at, and against which. */
  version?: number;
  against?: number;
}

const whole = (value: unknown): number | undefined => {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number > 0 ? number : undefined;
};

export function scriptSearch(search: Record<string, unknown>): ScriptSearch {
  const version = whole(search["version"]);
  const against = whole(search["against"]);
  return {
    ...(search["tab"] === "versions" ? { tab: "versions" } : {}),
    ...(version ? { version } : {}),
    ...(against ? { against } : {}),
  };
}

/** The scripts that are asked for; every word has to be somewhere. */
export function filterScripts(items: readonly ScriptItem[], search: ScriptsSearch): ScriptItem[] {
  const words = (search.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter((item) => {
    if (search.domain && item.domain !== search.domain) return false;
    if (search.category && item.category !== search.category) return false;
    if (words.length === 0) return true;
    const text = `${item.display_name}\n${item.summary}\n${item.category}\n${item.assembly_type}\n${item.assembly_kind}\n${item.updated_by}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
