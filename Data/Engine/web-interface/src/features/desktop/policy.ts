import type { DesktopPolicy, PolicyList } from "./queries";

/** What holds for the devices of a site: its own policy, or that of all without one. */
export function policyOf(list: PolicyList | undefined, siteId: number | null): DesktopPolicy | undefined {
  return list?.sites.find((one) => one.site_id === siteId) ?? list?.default;
}

/** A policy in few words. */
export function inWords(policy: DesktopPolicy): string {
  const asked = policy.consent === "ask" ? `users are asked, ${policy.ask_seconds} s` : "users are told, not asked";
  return policy.view_only ? `${asked}; view only` : asked;
}
