import { rangeOf, rangeQuery, type RangeSearch } from "@/ui/range";

/** What the audit log is narrowed to; in the address. */
export interface AuditSearch extends RangeSearch {
  actor?: string;
  target?: string;
  action?: string;
}

const NAMES = ["actor", "target", "action", "since", "from", "to"] as const;

export function auditSearch(search: Record<string, unknown>): AuditSearch {
  const found: AuditSearch = {};
  for (const name of NAMES) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}

/** The same as a question to the Engine, at `now` (Unix seconds). */
export function auditQuery(search: AuditSearch, now: number) {
  return {
    ...(search.actor ? { actor: search.actor } : {}),
    ...(search.target ? { target: search.target } : {}),
    ...(search.action ? { action: search.action } : {}),
    ...rangeQuery(rangeOf(search, now)),
  };
}
