import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useLiveEvent } from "@/live/hooks";
import { devicesOf } from "@/ui/count";
import { told } from "@/ui/told";

export type AgentUpdate = Schemas["UpdateView"];

const UPDATES = ["updates"] as const;
const ANY: Schemas["UpdateRequest"] = {
  all: false, allow_older: false, at_once: 10, guids: [], hostnames: [], site_ids: [], stop_after: 1,
};

/** The newest update of a device's agent; null where there was none. Follows what the Engine tells. */
export function useAgentUpdate(guid: string) {
  const client = useQueryClient();
  useLiveEvent("agent_update_changed", () => void client.invalidateQueries({ queryKey: UPDATES }));
  return useQuery({
    queryKey: [...UPDATES, guid.toUpperCase()],
    queryFn: async (): Promise<AgentUpdate | null> => {
      const { rollouts } = await take(api.GET("/api/updates", { params: { query: { guid } } }));
      return rollouts[0]?.updates[0] ?? null;
    },
    staleTime: 10_000,
  });
}

/** Have agents replace themselves; says how many, and how many were passed over. */
export function useBeginUpdate(after?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (guids: readonly string[]) =>
      take(api.POST("/api/updates", { body: { ...ANY, guids: [...guids] } })),
    onSuccess: ({ rollout, skipped }) => {
      const over = skipped.length > 0 ? ` ${devicesOf(skipped.length)} passed over: up to date, or on the way.` : "";
      told(`Updating the agent of ${devicesOf(rollout.updates.length)}.${over}`);
      after?.();
    },
    onSettled: () => client.invalidateQueries({ queryKey: UPDATES }),
  });
}
