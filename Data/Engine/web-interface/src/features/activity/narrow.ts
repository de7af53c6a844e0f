import type { Run } from "@/features/run/queries";

/** The runs of a person since a time (Unix seconds); all where neither is given. */
export function narrow(runs: readonly Run[], by: string | undefined, oldest: number | null): Run[] {
  return runs.filter((run) => (by === undefined || run.created_by === by) && (oldest === null || run.created_at >= oldest));
}

/** Whether runs, newest first, go back as far as that. */
export function reaches(runs: readonly Run[], oldest: number | null): boolean {
  const last = runs.at(-1);
  return oldest !== null && last !== undefined && last.created_at < oldest;
}
