/** What the activity is narrowed to; in the address. */
export interface ActivitySearch {
  device?: string;
  by?: string;
  status?: string;
  /** Not older than: `1h`, `7d`. */
  since?: string;
}

const NAMES = ["device", "by", "status", "since"] as const;

export function activitySearch(search: Record<string, unknown>): ActivitySearch {
  const found: ActivitySearch = {};
  for (const name of NAMES) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}

export const SINCE: readonly { value: string; label: string }[] = [
  { value: "1h", label: "Last hour" },
  { value: "1d", label: "Last 24 hours" },
  { value: "2d", label: "Last 2 days" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
];
