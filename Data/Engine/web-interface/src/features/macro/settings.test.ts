import { describe, expect, it } from "vitest";
import { BLANK, changesOf, draftOf, problemOf, settingsOf, testOf, type Draft } from "./settings";

const good: Draft = { ...BLANK, settings: { ...BLANK.settings, text: "Hi" } };
const withSettings = (part: Partial<Draft["settings"]>, where: Draft["where"] = "focus"): Draft => ({
  ...good,
  where,
  settings: { ...good.settings, ...part },
});

describe("a macro's draft", () => {
  it("says what stands in the way", () => {
    expect(problemOf(BLANK)).toContain("what it types");
    expect(problemOf(good)).toBeNull();
    expect(problemOf(withSettings({ macro_type: "keypress" }))).toContain("key");
    expect(problemOf(withSettings({ window_title: " " }, "title"))).toContain("title");
    expect(problemOf(withSettings({}, "list"))).toContain("list");
    expect(problemOf(withSettings({ operation_mode: "Continuous", interval_ms: 10 }))).toContain("50 ms");
    expect(problemOf(withSettings({ operation_mode: "Continuous", interval_ms: Number.NaN }))).toContain("50 ms");
    const random = { operation_mode: "Continuous", randomize_interval: true, random_min: 900, random_max: 100 } as const;
    expect(problemOf(withSettings(random))).toContain("shortest");
    expect(problemOf(withSettings({ interval_ms: 10 }))).toBeNull();
  });

  it("names the window in the chosen way only", () => {
    const both = { window_title: " Mail ", window_handle: 7 };
    expect(settingsOf(withSettings(both, "title"))).toMatchObject({ window_title: "Mail", window_handle: 0 });
    expect(settingsOf(withSettings(both, "list"))).toMatchObject({ window_title: "", window_handle: 7 });
    expect(settingsOf(withSettings(both))).toMatchObject({ window_title: "", window_handle: 0 });
  });

  it("is tried once", () => {
    expect(testOf(withSettings({ operation_mode: "Trigger-Once", active: false }))).toMatchObject({
      operation_mode: "Run Once",
      active: true,
      text: "Hi",
    });
  });

  it("sends what was changed, and nothing else", () => {
    expect(changesOf(good.settings, good.settings)).toBeNull();
    expect(changesOf(good.settings, { ...good.settings, interval_ms: 60 })).toEqual({ interval_ms: 60 });
  });

  it("reads a macro that was started", () => {
    const settings = { ...good.settings, window_title: "Mail" };
    expect(draftOf(JSON.stringify({ action: "start", settings }), 90, "ada")).toEqual({ settings, where: "title", user: "ada", seconds: 90 });
    expect(draftOf(JSON.stringify({ action: "change", changes: {} }), 90, "")).toBeNull();
  });
});
