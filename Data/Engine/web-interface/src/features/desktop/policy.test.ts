import { describe, expect, it } from "vitest";
import { inWords, policyOf } from "./policy";
import type { DesktopPolicy } from "./queries";

const policy = (site_id: number | null, change: Partial<DesktopPolicy> = {}): DesktopPolicy => ({
  site_id,
  consent: "never",
  ask_seconds: 30,
  view_only: false,
  updated_at: null,
  updated_by: "",
  ...change,
});

describe("a policy of desktops", () => {
  it("is the site's own, or that of all others", () => {
    const list = { default: policy(null), sites: [policy(7, { view_only: true })] };
    expect(policyOf(list, 7)?.view_only).toBe(true);
    expect(policyOf(list, 8)).toBe(list.default);
    expect(policyOf(list, null)).toBe(list.default);
    expect(policyOf(undefined, 7)).toBeUndefined();
  });

  it("is said in few words", () => {
    expect(inWords(policy(null))).toBe("users are told, not asked");
    expect(inWords(policy(7, { consent: "ask", ask_seconds: 45, view_only: true }))).toBe("users are asked, 45 s; view only");
  });
});
