import { FAILED_STATES } from "@/features/run/states";
import { rangeOf, rangeQuery, type RangeSearch } from "@/ui/range";

/** What the activity is narrowed to; in the address. */
export interface ActivitySearch extends RangeSearch {
  device?: string;
  by?: string;
  /** A status as the Engine calls it, or `failed` for all that went wrong. */
  status?: string;
  /** `job` for runs of scripts alone, or which use of devices. */
  kind?: Kind | undefined;
  /** Words in the name of the script or of the device. */
  q?: string;
}

export const KINDS = [
  { value: "job", label: "Runs" },
  { value: "screen", label: "Looks at screens" },
  { value: "shell", label: "Remote shells" },
  { value: "desktop", label: "Desktops" },
  { value: "rdp", label: "Desktops by RDP" },
  { value: "files", label: "Files" },
  { value: "forward", label: "Forwarded ports" },
  { value: "vpn_tunnel", label: "Tunnels" },
] as const;
export type Kind = (typeof KINDS)[number]["value"];

export function isKind(value: unknown): value is Kind {
  return KINDS.some((kind) => kind.value === value);
}

const NAMES = ["device", "by", "status", "q", "since", "from", "to"] as const;

export function activitySearch(search: Record<string, unknown>): ActivitySearch {
  const found: ActivitySearch = {};
  for (const name of NAMES) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  if (isKind(search.kind)) found.kind = search.kind;
  return found;
}

/** The same as a question to the Engine, at `now` (Unix seconds). */
export function activityQuery(search: ActivitySearch, now: number) {
  const status = search.status === "failed" ? FAILED_STATES.join(",") : search.status;
  return {
    ...(search.device ? { device: search.device } : {}),
    ...(search.by ? { created_by: search.by } : {}),
    ...(status ? { status } : {}),
    ...(search.kind ? { kind: search.kind } : {}),
    ...(search.q ? { text: search.q } : {}),
    ...rangeQuery(rangeOf(search, now)),
  };
}
