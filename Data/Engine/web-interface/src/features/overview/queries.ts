import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { RUNS } from "@/features/run/queries";
import { useMidnight } from "@/ui/clock";

export type Overview = Schemas["Overview"];
export type OverviewRuns = Schemas["OverviewRuns"];

const EVERY_MS = 60_000;

function ask(hours: number, midnight: number): Promise<Overview> {
  return take(api.GET("/api/overview", { params: { query: { hours, midnight } } }));
}

/** The runs of today, by status. Asked for anew whenever runs change, as the lists of runs are. */
export function useToday(): Record<string, number> | null {
  const midnight = useMidnight();
  const may = useMay("runs.read");
  const asked = useQuery({ queryKey: [...RUNS, "today", midnight], queryFn: () => ask(1, midnight), enabled: may });
  return asked.data?.runs?.today ?? null;
}

/** How it went in the last hours. */
export function useTrends(hours: number) {
  const midnight = useMidnight();
  return useQuery({ queryKey: ["overview", hours, midnight], queryFn: () => ask(hours, midnight), refetchInterval: EVERY_MS });
}

/** The build of agents that is up to date; empty where nobody can tell, or where it is not known yet. */
export function useAgentBuild(wanted = true): string {
  const may = useMay("devices.read");
  const asked = useQuery({
    queryKey: ["overview", "agent-build"],
    queryFn: () => take(api.GET("/api/overview", { params: { query: { hours: 1 } } })),
    select: (overview) => overview.agent_build,
    refetchInterval: EVERY_MS,
    enabled: wanted && may,
  });
  return asked.data ?? "";
}
