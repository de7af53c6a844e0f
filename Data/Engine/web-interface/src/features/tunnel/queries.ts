import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { told } from "@/ui/told";

export type Tunnel = Schemas["TunnelView"];

const key = (guid: string) => ["tunnel", guid.toUpperCase()];

/** A device's tunnel; asked again while somebody looks at this page. */
export function useTunnel(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: key(guid),
    queryFn: () => take(api.GET("/api/tunnel/status", { params: { query: { agent_id: guid } } })),
    refetchInterval: 5000,
    enabled,
  });
}

/** Which ports the Engine may reach there. */
export function usePorts(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: [...key(guid), "ports"],
    queryFn: () => take(api.GET("/api/device/vpn_config/{agent_id}", { params: { path: { agent_id: guid } } })),
    enabled,
  });
}

/** Something that changes the tunnel; `after` once it is done. */
export function useTunnelAct(guid: string, after?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: () => Promise<string>) => act(),
    onSuccess: (said) => {
      told(said);
      after?.();
    },
    onSettled: () => client.invalidateQueries({ queryKey: key(guid) }),
  });
}

export async function connect(guid: string): Promise<string> {
  await take(api.POST("/api/tunnel/connect", { body: { agent_id: guid } }));
  return "The tunnel is up.";
}

export async function disconnect(guid: string, everybody: boolean): Promise<string> {
  const query = { agent_id: guid, everybody };
  const ended = await take(api.DELETE("/api/tunnel/disconnect", { params: { query } }));
  return ended.status === "up" ? `${ended.operators.join(", ")} hold it still.` : "The tunnel is down.";
}

export async function setPorts(guid: string, ports: number[] | null): Promise<string> {
  const params = { path: { agent_id: guid } };
  await take(api.PUT("/api/device/vpn_config/{agent_id}", { params, body: { allowed_ports: ports } }));
  return "The list of ports was changed.";
}

/** Forwards that are open to a device. */
export function useForwards(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["forwards", guid.toUpperCase()],
    queryFn: async () =>
      (await take(api.GET("/api/forward/sessions", { params: { query: { device: guid } } }))).forwards,
    refetchInterval: 5000,
    enabled,
  });
}

/** End one with its connections; whoever has it open is told who did. */
export async function endForward(id: string): Promise<void> {
  await take(api.DELETE("/api/forward/sessions/{session_id}", { params: { path: { session_id: id } } }));
}
