import { useQuery } from "@tanstack/react-query";
import { api, rememberCsrf, take, type Schemas } from "@/api/client";
import { ApiError } from "@/api/errors";

/** Who is signed in. `null`: nobody; the answer of `GET /api/auth/me` otherwise. */
export type Me = Schemas["Identity"];
export type Permission = Schemas["Permission"];

export async function fetchMe(): Promise<Me | null> {
  try {
    const me = await take(api.GET("/api/auth/me"));
    rememberCsrf(me.csrf);
    return me;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export const meQuery = { queryKey: ["me"], queryFn: fetchMe, staleTime: 60_000 } as const;

export function useMe(): Me | null | undefined {
  return useQuery(meQuery).data;
}

/** Whether the signed-in operator may do something, by the Engine's own name for it. */
export function useMay(permission: Permission): boolean {
  const me = useMe();
  return me?.permissions.includes(permission) ?? false;
}
