import { describe, expect, it } from "vitest";
import { lendPreferences, readPreference, writePreference } from "./preferences";

describe("a preference", () => {
  it("is kept", () => {
    writePreference("density", "compact");
    expect(readPreference("density", "comfortable")).toBe("compact");
    expect(window.localStorage.getItem("borealis.density")).toBe('"compact"');
  });
  it("gives way to what is lent, and is itself again afterwards", () => {
    writePreference("density", "compact");
    const giveBack = lendPreferences({ density: "comfortable", other: null });
    expect(readPreference("density", "compact")).toBe("comfortable");
    expect(readPreference("other", "mine")).toBeNull();
    writePreference("density", "tiny");
    expect(readPreference("density", "compact")).toBe("tiny");
    giveBack();
    expect(readPreference("density", "comfortable")).toBe("compact");
    expect(readPreference("other", "mine")).toBe("mine");
    expect(window.localStorage.getItem("borealis.density")).toBe('"compact"');
  });
});
