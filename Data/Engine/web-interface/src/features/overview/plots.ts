import type { Schemas } from "@/api/client";
import { isFailed } from "@/features/run/states";

/** What the plots show, and the same in words; pure. Times in Unix seconds. */

export type Points = Schemas["OverviewSeries"];
export type Bars = Schemas["OverviewRuns"];
export type Columns = [number[], ...(number | null)[][]];

/** Runs that went wrong; a cancelled one was meant. */
export function failedOf(byStatus: Readonly<Record<string, number>>): number {
  return Object.entries(byStatus).reduce((sum, [status, count]) => sum + (isFailed(status) ? count : 0), 0);
}

export function allOf(byStatus: Readonly<Record<string, number>>): number {
  return Object.values(byStatus).reduce((sum, count) => sum + count, 0);
}

/** Online and offline over time. Where the Engine did not run there is a gap, not a line across it. */
export function deviceColumns({ points, step_seconds: step }: Points): Columns {
  const at: number[] = [];
  const online: (number | null)[] = [];
  const offline: (number | null)[] = [];
  for (const point of points) {
    const last = at.at(-1);
    if (last !== undefined && point.at - last > step * 1.5) {
      at.push(last + step);
      online.push(null);
      offline.push(null);
    }
    at.push(point.at);
    online.push(point.online);
    offline.push(point.offline);
  }
  return [at, online, offline];
}

/** Bars one on the other: failed below, and up to where those that are done reach. None at all for nothing. */
export function runColumns({ bars }: Bars): Columns {
  return [bars.map((bar) => bar.at), bars.map((bar) => bar.failed + bar.done || null), bars.map((bar) => bar.failed || null)];
}

function span(numbers: readonly number[]): string {
  const least = Math.min(...numbers);
  const most = Math.max(...numbers);
  return least === most ? most.toLocaleString() : `${least.toLocaleString()} to ${most.toLocaleString()}`;
}

/** The plot of devices in a sentence. */
export function deviceWords({ points }: Points): string {
  const last = points.at(-1);
  if (!last) return "";
  return (
    `${last.online.toLocaleString()} online and ${last.offline.toLocaleString()} offline at the last count; ` +
    `in this time ${span(points.map((point) => point.online))} online and ${span(points.map((point) => point.offline))} offline.`
  );
}

/** The plot of runs in a sentence. */
export function runWords({ bars }: Bars): string {
  const sum = (part: "done" | "failed" | "other") => bars.reduce((total, bar) => total + bar[part], 0);
  const other = sum("other");
  return (
    `In this time ${sum("done").toLocaleString()} done and ${sum("failed").toLocaleString()} failed` +
    (other > 0 ? `; ${other.toLocaleString()} more cancelled or under way.` : ".")
  );
}

/** So many rows of a long list, the last one among them, newest first. */
export function thinned<Row>(rows: readonly Row[], most: number): Row[] {
  const every = Math.max(1, Math.ceil(rows.length / most));
  return rows.filter((_, place) => (rows.length - 1 - place) % every === 0).reverse();
}
