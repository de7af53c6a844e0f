import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";

export type OpenDesktop = Schemas["OpenDesktop"];
export type DesktopPolicy = Schemas["DesktopPolicy"];
export type Consent = DesktopPolicy["consent"];
export type PolicyList = Schemas["PolicyList"];
export type NewDesktop = Required<Schemas["NewDesktop"]>;

export const DESKTOP_POLICY = ["desktop-policy"] as const;

/** Desktops that somebody has open on one device. */
export function useOpenDesktops(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["desktops", guid.toUpperCase()],
    queryFn: async () => (await take(api.GET("/api/desktop/sessions", { params: { query: { device: guid } } }))).sessions,
    refetchInterval: 5000,
    enabled,
  });
}

export async function endDesktop(id: string): Promise<void> {
  await take(api.DELETE("/api/desktop/sessions/{connection_id}", { params: { path: { connection_id: id } } }));
}

export function askForDesktop(wanted: NewDesktop) {
  return take(api.POST("/api/desktop/session", { body: wanted }));
}

/** The policy of all sites without one, and those of the sites that the reader sees. */
export function useDesktopPolicies(enabled: boolean) {
  return useQuery({
    queryKey: DESKTOP_POLICY,
    queryFn: () => take(api.GET("/api/desktop/policy")),
    staleTime: 30_000,
    enabled,
  });
}

export async function setPolicy(policy: Pick<DesktopPolicy, "site_id" | "consent" | "ask_seconds" | "view_only">): Promise<void> {
  await take(api.PUT("/api/desktop/policy", { body: policy }));
}

export async function forgetPolicy(siteId: number): Promise<void> {
  await take(api.DELETE("/api/desktop/policy/{site_id}", { params: { path: { site_id: siteId } } }));
}
