import { describe, expect, it } from "vitest";
import { EMPTY, requestOf } from "./draft";
import { NO_OPTIONS, optionsInWords, playbookOfJob, playbookRequest } from "./playbook";

describe("the options of a playbook", () => {
  it("are asked for with tags as a list", () => {
    const asked = playbookRequest({ ...NO_OPTIONS, check: true, tags: " web, ,db ", vaultPassword: "open" });
    expect(asked.playbook).toEqual({ check: true, diff: false, tags: ["web", "db"], skip_tags: [], limit: "" });
    expect(asked.vault_password).toBe("open");
  });

  it("come back from a job without its password", () => {
    const asked = playbookRequest({ ...NO_OPTIONS, diff: true, skipTags: "slow", limit: "web*", vaultPassword: "open" });
    expect(playbookOfJob(asked.playbook ?? null)).toEqual({ ...NO_OPTIONS, diff: true, skipTags: "slow", limit: "web*" });
    expect(playbookOfJob(null)).toEqual(NO_OPTIONS);
  });

  it("are said in words", () => {
    expect(optionsInWords({ check: true, diff: false, tags: ["a"], skip_tags: [], limit: "" })).toBe("check only, nothing is changed; only tags a");
    expect(optionsInWords({ check: false, diff: false, tags: [], skip_tags: [], limit: "" })).toBe("all of it");
  });

  it("go with playbooks alone, which run as system", () => {
    const draft = { ...EMPTY, script: "- hosts: all", context: "interactive" as const, playbook: { ...NO_OPTIONS, check: true } };
    expect("playbook" in requestOf(draft, ["G"], null)).toBe(false);
    const request = requestOf({ ...draft, type: "ansible" }, ["G"], null);
    expect(request.playbook?.check).toBe(true);
    expect(request.context).toBe("system");
  });
});
