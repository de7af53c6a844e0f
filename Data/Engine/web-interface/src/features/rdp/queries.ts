import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";

export type OpenRdp = Schemas["OpenRdp"];
export type RdpAsked = Required<Omit<Schemas["RdpSessionAsked"], "protocol">>;

/** Where the pictures of one session come from, with the token that the Engine gives for it. */
export const RDP_STREAM = "/api/rdp/stream";

/** Remote desktops that somebody has open on one device by RDP, and why the Engine has none at all, where that is so. */
export function useOpenRdp(guid: string) {
  return useQuery({
    queryKey: ["rdp", guid.toUpperCase()],
    queryFn: () => take(api.GET("/api/rdp/sessions", { params: { query: { device: guid } } })),
    refetchInterval: 5000,
  });
}

export function askForRdp(wanted: RdpAsked) {
  return take(api.POST("/api/rdp/session", { body: { ...wanted, protocol: "rdp" } }));
}

export async function endRdp(id: string): Promise<void> {
  await take(api.DELETE("/api/rdp/sessions/{session_id}", { params: { path: { session_id: id } } }));
}
