/** A time that a list is narrowed to. In the address; own times as ISO, so that they mean the same in every zone. */
export interface RangeSearch {
  /** `today`, `yesterday`, or not older than: `1h`, `7d`. */
  since?: string;
  from?: string;
  to?: string;
}

/** Unix seconds, `until` excluded; null for no limit. */
export interface Range {
  since: number | null;
  until: number | null;
}

export const RANGES: readonly { value: string; label: string }[] = [
  { value: "today", label: "Today" },
  { value: "yesterday", label: "Yesterday" },
  { value: "1h", label: "Last hour" },
  { value: "1d", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
];

const UNITS: Record<string, number> = { m: 60, h: 3600, d: 86_400, w: 604_800 };
const ANY_TIME: Range = { since: null, until: null };

/** `7d` in seconds; null where it is no such thing. */
export function period(text: string | undefined): number | null {
  const found = /^(\d{1,4})([mhdw])$/.exec(text ?? "");
  const unit = UNITS[found?.[2] ?? ""];
  return unit === undefined ? null : Number(found?.[1]) * unit;
}

/** The last midnight where the reader is; `days` of the calendar earlier. Days have 23 to 25 hours. */
export function midnightOf(now: number, days = 0): number {
  const day = new Date(now * 1000);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - days);
  return day.getTime() / 1000;
}

function seconds(iso: string | undefined): number | null {
  const at = iso === undefined ? Number.NaN : Date.parse(iso) / 1000;
  return Number.isFinite(at) && at >= 0 ? at : null;
}

/** What is meant, at `now` (Unix seconds). What is not understood limits nothing. */
export function rangeOf(search: RangeSearch, now: number): Range {
  if (search.since === "today") return { since: midnightOf(now), until: null };
  if (search.since === "yesterday") return { since: midnightOf(now, 1), until: midnightOf(now) };
  const length = period(search.since);
  if (length !== null) return { since: Math.max(0, Math.floor(now - length)), until: null };
  if (search.since !== undefined) return ANY_TIME;
  return { since: seconds(search.from), until: seconds(search.to) };
}

/** The part of a question to the Engine. */
export function rangeQuery({ since, until }: Range): { since?: number; until?: number } {
  return { ...(since === null ? {} : { since }), ...(until === null ? {} : { until }) };
}

/** `2026-11-24T08:30`, where the reader is, for a field; empty for no time. */
export function localText(iso: string | undefined): string {
  const at = seconds(iso);
  if (at === null) return "";
  const day = new Date(at * 1000);
  const two = (number: number) => String(number).padStart(2, "0");
  return `${String(day.getFullYear()).padStart(4, "0")}-${two(day.getMonth() + 1)}-${two(day.getDate())}T${two(day.getHours())}:${two(day.getMinutes())}`;
}

/** What a field says, for the address; empty where it is no time. */
export function isoText(local: string): string {
  const at = Date.parse(local);
  return Number.isFinite(at) && at >= 0 ? new Date(at).toISOString().replace(/:00\.000Z$/, "Z") : "";
}
