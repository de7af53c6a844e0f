import { describe, expect, it } from "vitest";
import { moodOf, sentenceOf } from "./words";

const STATES = [
  "queued", "ordered", "started", "waiting", "installed", "rolled_back", "failed", "refused", "cancelled", "expired",
];

describe("what is said of an update", () => {
  it.each(STATES)("says something of %s exactly while somebody has to know", (state) => {
    expect(sentenceOf({ state }) === "").toBe(moodOf({ state }) === "over");
  });

  it("tells an update that is on its way from one that went wrong", () => {
    expect(moodOf({ state: "waiting" })).toBe("under way");
    expect(moodOf({ state: "rolled_back" })).toBe("went wrong");
    expect(moodOf({ state: "installed" })).toBe("over");
  });
});
