import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";

export type Site = Schemas["SiteView"];
export const SITES = ["sites"] as const;

export function useSites() {
  const may = useMay("sites.read");
  return useQuery({
    queryKey: SITES,
    queryFn: async () => (await take(api.GET("/api/sites"))).sites,
    staleTime: 30_000,
    enabled: may,
  });
}
