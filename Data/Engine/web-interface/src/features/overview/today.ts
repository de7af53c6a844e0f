import type { Run } from "@/features/run/queries";

const FAILED = new Set(["Failed", "Timed Out", "Refused", "Interrupted"]);

/** How many of these runs went wrong since midnight, in the reader's zone. `now` in Unix seconds. */
export function failedToday(runs: readonly Pick<Run, "status" | "created_at" | "finished_at">[], now: number): number {
  const midnight = new Date(now * 1000).setHours(0, 0, 0, 0) / 1000;
  return runs.filter((run) => FAILED.has(run.status) && (run.finished_at ?? run.created_at) >= midnight).length;
}
