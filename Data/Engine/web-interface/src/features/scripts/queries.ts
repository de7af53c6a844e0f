import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { useLiveEvent } from "@/live/hooks";

export type ScriptItem = Schemas["AssemblyItem"];
export type Script = Schemas["Assembly"];
export type Version = Schemas["AssemblyVersion"];
export type Domain = Schemas["Domain"];

export const SCRIPTS = ["scripts"] as const;
export const scriptKey = (guid: string) => ["script", guid] as const;
export const DOMAINS: readonly { value: Domain; label: string }[] = [
  { value: "user", label: "Ours" },
  { value: "community", label: "Community" },
  { value: "official", label: "Official" },
];

export function domainWord(domain: string): string {
  return DOMAINS.find((one) => one.value === domain)?.label ?? domain;
}

/** The library; the deleted ones instead, where asked. */
export function useScripts(deleted = false, enabled = true) {
  const may = useMay("scripts.read");
  return useQuery({
    queryKey: [...SCRIPTS, { deleted }],
    queryFn: async () => (await take(api.GET("/api/assemblies", { params: { query: { deleted } } }))).items,
    staleTime: 15_000,
    enabled: may && enabled,
  });
}

export function useScript(guid: string | undefined) {
  const may = useMay("scripts.read");
  return useQuery({
    queryKey: scriptKey(guid ?? ""),
    queryFn: () => take(api.GET("/api/assemblies/{guid}", { params: { path: { guid: guid ?? "" } } })),
    enabled: may && guid !== undefined,
    staleTime: 10_000,
  });
}

export function useVersions(guid: string) {
  return useQuery({
    queryKey: [...scriptKey(guid), "versions"],
    queryFn: async () => (await take(api.GET("/api/assemblies/{guid}/versions", { params: { path: { guid } } }))).versions,
  });
}

/** One version with its document. It never changes. */
export function useVersion(guid: string | undefined, number: number | undefined) {
  return useQuery({
    queryKey: [...scriptKey(guid ?? ""), "version", number],
    queryFn: () =>
      take(api.GET("/api/assemblies/{guid}/versions/{number}", { params: { path: { guid: guid ?? "", number: number ?? 0 } } })),
    enabled: guid !== undefined && number !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Shows what others do to the library, as it happens. */
export function useLibraryFeed(): void {
  const client = useQueryClient();
  useLiveEvent("scripts_changed", () => {
    void client.invalidateQueries({ queryKey: SCRIPTS });
    void client.invalidateQueries({ queryKey: ["script"] });
  });
}
