import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { askAnew } from "@/live/anew";
import { Batch } from "@/live/batch";
import { live } from "@/live/socket";

export type Run = Schemas["RunView"];
export type Job = Schemas["JobView"];
export type JobAndRuns = Schemas["JobWithRuns"];
export type JobContent = Schemas["JobContentView"];
export const RUNS = ["runs"] as const;
export const jobKey = (job: string) => ["job", job] as const;
export const runKey = (run: string) => ["run", run] as const;

export interface RunsAsked {
  device?: string;
  status?: string;
  limit?: number;
}

/** The latest runs. */
export function useRuns(asked: RunsAsked) {
  const may = useMay("runs.read");
  return useQuery({
    queryKey: [...RUNS, asked],
    queryFn: () => take(api.GET("/api/runs", { params: { query: asked } })),
    enabled: may,
  });
}

export async function askRun(run: string): Promise<Run> {
  return take(api.GET("/api/runs/{run_id}", { params: { path: { run_id: run } } }));
}

export async function askOutput(run: string, after: number): Promise<Schemas["OutputPage"]> {
  return take(api.GET("/api/runs/{run_id}/output", { params: { path: { run_id: run }, query: { after_seq: after } } }));
}

export async function cancelRun(run: string): Promise<void> {
  await take(api.POST("/api/runs/{run_id}/cancel", { params: { path: { run_id: run } } }));
}

/** What a job's script was; for those who may run scripts themselves. */
export function useJobContent(job: string | undefined) {
  const may = useMay("runs.start");
  return useQuery({
    queryKey: ["job-content", job],
    queryFn: () => take(api.GET("/api/jobs/{job_id}/content", { params: { path: { job_id: job ?? "" } } })),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: may && job !== undefined && job !== "",
  });
}

/** What the Engine says when something happens to a run. */
interface RunChange {
  run_id: string;
  status: string;
  cancel_requested?: boolean;
}

/** More changed runs than this, and the whole job is asked for. */
const FEW = 10;
const EVERY_MS = 300;

function withChange(run: Run, change: RunChange): Run {
  return { ...run, status: change.status, cancel_requested: change.cancel_requested ?? run.cancel_requested };
}

async function deliver(client: QueryClient, job: string, changes: readonly RunChange[]): Promise<void> {
  const key = jobKey(job);
  const known = client.getQueryData<JobAndRuns>(key);
  if (!known) return;
  const ours = new Set(known.runs.map((run) => run.run_id));
  const latest = new Map(changes.filter((change) => ours.has(change.run_id)).map((change) => [change.run_id, change]));
  if (latest.size === 0) return;
  client.setQueryData<JobAndRuns>(key, {
    ...known,
    runs: known.runs.map((run) => {
      const change = latest.get(run.run_id);
      return change ? withChange(run, change) : run;
    }),
  });
  if (latest.size > FEW) {
    await client.invalidateQueries({ queryKey: key });
    return;
  }
  const fresh = new Map<string, Run>();
  for (const id of latest.keys()) fresh.set(id, await askRun(id));
  client.setQueryData<JobAndRuns>(key, (now) => now && { ...now, runs: now.runs.map((run) => fresh.get(run.run_id) ?? run) });
}

/** A job and its runs, as they are now: changes come by the socket, and are asked for after every break of it. */
export function useJob(job: string) {
  const client = useQueryClient();
  useEffect(() => {
    const again = () => askAnew(client, jobKey(job));
    const batch = new Batch<RunChange>(EVERY_MS, (changes) => void deliver(client, job, changes).catch(again));
    const offChange = live.on("device_activity_changed", (change: RunChange) => batch.add(change));
    const offState = live.onState((state) => {
      if (state === "live") again();
    });
    return () => {
      offChange();
      offState();
      batch.stop();
    };
  }, [client, job]);
  return useQuery({
    queryKey: jobKey(job),
    queryFn: () => take(api.GET("/api/jobs/{job_id}", { params: { path: { job_id: job } } })),
    staleTime: 10_000,
  });
}

/** One run, as it is now. */
export function useRun(run: string) {
  const client = useQueryClient();
  useEffect(() => {
    const again = () => askAnew(client, runKey(run));
    const batch = new Batch<RunChange>(EVERY_MS, (changes) => {
      if (changes.some((change) => change.run_id === run)) again();
    });
    const offChange = live.on("device_activity_changed", (change: RunChange) => batch.add(change));
    const offState = live.onState((state) => {
      if (state === "live") again();
    });
    return () => {
      offChange();
      offState();
      batch.stop();
    };
  }, [client, run]);
  return useQuery({ queryKey: runKey(run), queryFn: () => askRun(run), staleTime: 10_000 });
}
