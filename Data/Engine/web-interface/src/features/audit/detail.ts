import { plain } from "@/features/device/inventory";

const LONG_ID = /^(?:[0-9a-f]{24,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** The details of an entry as one line: `old a, new b`. Ids and digests are cut where `short`. */
export function detailText(detail: Readonly<Record<string, unknown>>, short: boolean): string {
  return Object.entries(detail)
    .map(([name, value]) => [name.replaceAll("_", " "), plain(value)] as const)
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name} ${short && LONG_ID.test(text) ? `${text.slice(0, 8)}…` : text}`)
    .join(", ");
}
