import type { Run } from "./queries";

/** States of a run, in the Engine's words; pure. */

export const RUN_STATES = [
  "Pending",
  "Running",
  "Success",
  "Failed",
  "Timed Out",
  "Cancelled",
  "Expired",
  "Refused",
  "Interrupted",
  "Completed",
] as const;

/** Whether it is a job on a device; else it is a use of the device, which nobody can cancel or do again. */
export function isOfJob(run: Pick<Run, "kind">): boolean {
  return run.kind === "job";
}

export type Part = "all" | "failed" | "under-way" | "done" | "cancelled";

export const PARTS: readonly { value: Part; label: string }[] = [
  { value: "all", label: "All" },
  { value: "failed", label: "Failed" },
  { value: "under-way", label: "Under way" },
  { value: "done", label: "Done" },
  { value: "cancelled", label: "Cancelled" },
];

/** Orders in the form of a run that are given elsewhere than on the page of runs (the Engine's `OWN_DOOR_TYPES`). */
const OWN_DOORS: readonly string[] = ["remote_desktop", "macro"];

export function hasOwnDoor(scriptType: string): boolean {
  return OWN_DOORS.includes(scriptType);
}

export function isUnderWay(status: string): boolean {
  return status === "Pending" || status === "Running";
}

/** Over, and not as it was meant. */
export function isFailed(status: string): boolean {
  return !isUnderWay(status) && status !== "Success" && status !== "Completed" && status !== "Cancelled";
}

/** Every state of a run that went wrong, for a question to the Engine. */
export const FAILED_STATES: readonly string[] = RUN_STATES.filter(isFailed);

export function partOf(status: string): Exclude<Part, "all"> {
  if (isUnderWay(status)) return "under-way";
  if (status === "Cancelled") return "cancelled";
  return isFailed(status) ? "failed" : "done";
}

/** How many runs are in each part. */
export function countParts(runs: readonly Pick<Run, "status">[]): Record<Part, number> {
  const counts: Record<Part, number> = { all: runs.length, failed: 0, "under-way": 0, done: 0, cancelled: 0 };
  for (const run of runs) counts[partOf(run.status)] += 1;
  return counts;
}

const RANK: Record<Exclude<Part, "all">, number> = { failed: 0, "under-way": 1, cancelled: 2, done: 3 };
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** By name; once nothing is under way any more, those that failed come first. */
export function inOrder(runs: readonly Run[]): Run[] {
  const over = !runs.some((run) => isUnderWay(run.status));
  return runs.toSorted((a, b) => {
    const rank = over ? RANK[partOf(a.status)] - RANK[partOf(b.status)] : 0;
    return rank || collator.compare(a.device, b.device) || a.activity_id - b.activity_id;
  });
}

/** Why a run ended as it did, as far as the Engine and the device say. */
export function whyOf(run: Run): string {
  const words: string[] = [];
  if (run.exit_code !== null && run.exit_code !== 0) words.push(`Exit code ${run.exit_code}.`);
  if (run.reason && !/^[a-z_]+$/.test(run.reason)) words.push(run.reason);
  if (run.advice) words.push(run.advice);
  if (words.length === 0 && run.reason) words.push(run.reason.replaceAll("_", " "));
  return words.join(" ");
}

/** The last line that a run said on its error output, or else at all. */
export function lastWords(run: Pick<Run, "stderr" | "stdout">): string {
  for (const text of [run.stderr, run.stdout]) {
    const line = text.slice(-4000).trimEnd().split("\n").at(-1)?.trim();
    if (line) return line.slice(0, 300);
  }
  return "";
}

/** In whose name a run is or was. */
export function asWhom(run: { context: string; run_as_user: string; ran_as_user: string }): string {
  if (run.context === "system") return "as system";
  const user = run.ran_as_user || run.run_as_user;
  return user ? `as ${user}` : "as the signed-in user";
}
