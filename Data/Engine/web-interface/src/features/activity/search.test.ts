import { describe, expect, it } from "vitest";
import { activityQuery, activitySearch } from "./search";

describe("activity", () => {
  it("takes only what it knows from the address", () => {
    expect(activitySearch({ by: "ada", since: "7d", x: 1, device: "", q: 7 })).toEqual({ by: "ada", since: "7d", q: "7" });
  });

  it("knows runs, looks at screens, shells and tunnels, and nothing else", () => {
    expect(activitySearch({ kind: "screen" })).toEqual({ kind: "screen" });
    expect(activitySearch({ kind: "shell" })).toEqual({ kind: "shell" });
    expect(activityQuery({ kind: "vpn_tunnel" }, 0)).toEqual({ kind: "vpn_tunnel" });
    expect(activitySearch({ kind: "other" })).toEqual({});
    expect(activityQuery({ kind: "job" }, 0)).toEqual({ kind: "job" });
  });

  it("asks the Engine for what the address says", () => {
    expect(activityQuery({ by: "ada", device: "G", q: "disk", since: "1h" }, 10_000)).toEqual({
      created_by: "ada",
      device: "G",
      text: "disk",
      since: 6400,
    });
    expect(activityQuery({}, 10_000)).toEqual({});
  });

  it("means everything that went wrong by failed, and what was cancelled by nothing of it", () => {
    expect(activityQuery({ status: "failed" }, 0).status).toBe("Failed,Timed Out,Expired,Refused,Interrupted");
    expect(activityQuery({ status: "Failed" }, 0).status).toBe("Failed");
  });
});
