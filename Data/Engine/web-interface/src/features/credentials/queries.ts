import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";

export type Credential = Schemas["CredentialView"];
export type Machine = Schemas["MachineView"];
export type HostKey = Schemas["HostKeyView"];
export const CREDENTIALS = ["credentials"] as const;

export function useCredentials() {
  const may = useMay("credentials.use");
  return useQuery({
    queryKey: CREDENTIALS,
    queryFn: async () => (await take(api.GET("/api/credentials"))).credentials,
    staleTime: 30_000,
    enabled: may,
  });
}

/** How a machine without an agent is reached. */
export function useMachine(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["machine", guid],
    queryFn: () => take(api.GET("/api/machines/{guid}", { params: { path: { guid } } })),
    enabled,
  });
}

/** In one line, for lists to choose from. */
export function credentialLabel(credential: Pick<Credential, "name" | "username" | "kind" | "secret_kind">): string {
  return `${credential.name} · ${credential.username}, ${credential.kind === "ssh" ? `ssh ${credential.secret_kind}` : "Windows password"}`;
}
