/** A recording as the Engine keeps it: asciinema's format, version 2. */
export interface Cast {
  columns: number;
  rows: number;
  events: CastEvent[];
  /** Seconds. */
  length: number;
}

export interface CastEvent {
  at: number;
  kind: "o" | "r";
  data: string;
}

const MOST_SIDE = 1000;

/** Reads a recording. A last line that is cut off is left out; anything else that is wrong throws. */
export function readCast(text: string): Cast {
  const lines = text.split("\n");
  const head = JSON.parse(lines[0] ?? "") as { version?: unknown; width?: unknown; height?: unknown };
  if (head.version !== 2) throw new Error("This is no recording of asciinema's format, version 2.");
  const events: CastEvent[] = [];
  for (const [index, line] of lines.entries()) {
    if (index === 0 || !line) continue;
    let event: unknown;
    try {
      event = JSON.parse(line);
    } catch (error) {
      if (index >= lines.length - 2) break; // it is being written, or was cut off
      throw error;
    }
    const [at, kind, data] = Array.isArray(event) ? (event as unknown[]) : [];
    if (typeof at === "number" && (kind === "o" || kind === "r") && typeof data === "string") events.push({ at, kind, data });
  }
  return { columns: side(head.width, 80), rows: side(head.height, 24), events, length: events.at(-1)?.at ?? 0 };
}

/** "120x40" as columns and rows; null for anything else. */
export function readSize(data: string): [number, number] | null {
  const found = /^(\d{1,4})x(\d{1,4})$/.exec(data);
  return found ? [side(Number(found[1]), 80), side(Number(found[2]), 24)] : null;
}

/** The events after `from` up to `until`, in seconds. */
export function between(events: CastEvent[], from: number, until: number): CastEvent[] {
  return events.slice(firstAfter(events, from), firstAfter(events, until));
}

/** Where it goes on from `at`, if nothing is to stand still for longer than `most` seconds. */
export function afterPause(events: CastEvent[], at: number, most: number): number {
  const next = events[firstAfter(events, at)];
  return next && next.at - at > most ? next.at - most : at;
}

function firstAfter(events: CastEvent[], at: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function side(value: unknown, usual: number): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MOST_SIDE ? value : usual;
}
