import { api, take, type Schemas } from "@/api/client";
import { ApiError } from "@/api/errors";
import { isUnderWay } from "@/features/run/states";
import type { Changes, Settings } from "./settings";

export type Run = Schemas["RunView"];

/** So long an answer of the device to a change is waited for. */
const WAIT_SECONDS = 30;

export async function startMacro(guid: string, user: string, settings: Settings, seconds: number): Promise<string> {
  const body = { guid, settings, timeout_seconds: seconds, run_as_user: user };
  const { run } = await take(api.POST("/api/macros", { body }));
  return run.run_id;
}

/** Change a macro that runs, and wait until the device has said whether it did. */
export async function changeMacro(runId: string, changes: Changes): Promise<void> {
  const { run } = await take(api.POST("/api/runs/{run_id}/macro", { params: { path: { run_id: runId } }, body: changes }));
  const params = { params: { path: { run_id: run.run_id }, query: { wait: WAIT_SECONDS } } };
  const end = await take(api.GET("/api/runs/{run_id}", params));
  if (end.status === "Success") return;
  const sentence = isUnderWay(end.status) ? "The device has not answered yet; see its activity." : end.advice || end.reason;
  throw new ApiError(200, "not_changed", sentence || `The change ended with ${end.status}.`);
}

/** Whether a run is a macro, and not the change of one. */
export function isMacro(run: Run): boolean {
  return run.script_type === "macro" && !run.script_name.startsWith("Macro: change");
}
