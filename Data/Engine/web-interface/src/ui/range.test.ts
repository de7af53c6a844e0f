import { describe, expect, it } from "vitest";
import { isoText, localText, midnightOf, period, rangeOf, rangeQuery } from "./range";

const now = new Date(2026, 5, 10, 12, 30).getTime() / 1000;
const at = (day: number, hour = 0) => new Date(2026, 5, day, hour).getTime() / 1000;

describe("a time that a list is narrowed to", () => {
  it("begins and ends at midnight where the reader is", () => {
    expect(midnightOf(now)).toBe(at(10));
    expect(rangeOf({ since: "today" }, now)).toEqual({ since: at(10), until: null });
    expect(rangeOf({ since: "yesterday" }, now)).toEqual({ since: at(9), until: at(10) });
  });
  it("knows days of the calendar, whatever their length", () => {
    const first = new Date(2026, 2, 1, 8).getTime() / 1000;
    expect(rangeOf({ since: "yesterday" }, first).since).toBe(new Date(2026, 1, 28).getTime() / 1000);
  });
  it("goes back a period from now", () => {
    expect(rangeOf({ since: "7d" }, now)).toEqual({ since: now - 7 * 86_400, until: null });
  });
  it("means the same in every zone where it is somebody's own", () => {
    expect(rangeOf({ from: "2026-06-01T00:00Z", to: "2026-06-02T00:00:00Z" }, now)).toEqual({
      since: Date.UTC(2026, 5, 1) / 1000,
      until: Date.UTC(2026, 5, 2) / 1000,
    });
  });
  it("limits nothing where it is not understood", () => {
    expect(rangeOf({ since: "soon", from: "2026-06-01T00:00Z" }, now)).toEqual({ since: null, until: null });
    expect(rangeOf({ from: "never" }, now)).toEqual({ since: null, until: null });
    expect(rangeQuery(rangeOf({}, now))).toEqual({});
  });
  it("goes from a field into the address and back", () => {
    expect(localText(isoText("2026-06-10T08:30"))).toBe("2026-06-10T08:30");
    expect(isoText("")).toBe("");
    expect(localText("nonsense")).toBe("");
  });
});

describe("periods", () => {
  it("are read", () => {
    expect(period("7d")).toBe(604_800);
    expect(period("7")).toBeNull();
    expect(period(undefined)).toBeNull();
  });
});
