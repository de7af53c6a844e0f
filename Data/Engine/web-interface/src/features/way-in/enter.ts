import { queryClient } from "@/app/queries";
import { rememberCsrf, type Schemas } from "@/api/client";

/** Somebody signed in: what was known of anybody before them is forgotten. */
export function enter(answer: Schemas["SignedInAnswer"]): void {
  queryClient.clear();
  rememberCsrf(answer.csrf);
  const { csrf, display_name, mfa_enabled, permissions, role, sites, username, via } = answer;
  queryClient.setQueryData(["me"], { csrf, display_name, mfa_enabled, permissions, role, sites, username, via });
}
