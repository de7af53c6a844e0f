import { describe, expect, it } from "vitest";
import { allOf, deviceColumns, deviceWords, failedOf, runColumns, runWords, thinned } from "./plots";
import { overviewSearch } from "./search";

const point = (at: number, online: number, offline: number) => ({
  at, online, offline, quarantined: 0, revoked: 0, outdated: 0, waiting: null, runs: null, failed: null,
});
const bar = (at: number, done: number, failed: number, other = 0) => ({ at, done, failed, other });

describe("failures", () => {
  it("are what went wrong, and not what was cancelled or is under way", () => {
    const runs = { Success: 5, Failed: 1, "Timed Out": 2, Expired: 4, Refused: 8, Interrupted: 16, Cancelled: 32, Pending: 64, Running: 128 };
    expect(failedOf(runs)).toBe(31);
    expect(allOf(runs)).toBe(260);
  });
});

describe("the plot of devices", () => {
  it("has a gap where nobody counted", () => {
    expect(deviceColumns({ step_seconds: 300, points: [point(0, 1, 2), point(300, 2, 1), point(1500, 3, 0)] })).toEqual([
      [0, 300, 600, 1500],
      [1, 2, null, 3],
      [2, 1, null, 0],
    ]);
  });
  it("is told in a sentence", () => {
    expect(deviceWords({ step_seconds: 300, points: [point(0, 1, 2), point(300, 3, 2)] })).toBe(
      "3 online and 2 offline at the last count; in this time 1 to 3 online and 2 offline.",
    );
    expect(deviceWords({ step_seconds: 300, points: [] })).toBe("");
  });
});

describe("the plot of runs", () => {
  const bars = { today: {}, step_seconds: 3600, bars: [bar(0, 3, 1), bar(3600, 0, 0, 2)] };
  it("puts what is done on what failed", () => {
    expect(runColumns(bars)).toEqual([[0, 3600], [4, null], [1, null]]);
  });
  it("is told in a sentence", () => {
    expect(runWords(bars)).toBe("In this time 3 done and 1 failed; 2 more cancelled or under way.");
  });
});

it("shows some rows of many, newest first", () => {
  expect(thinned([1, 2, 3, 4, 5], 2)).toEqual([5, 2]);
  expect(thinned([1, 2], 24)).toEqual([2, 1]);
});

it("takes only ranges that there are from the address", () => {
  expect(overviewSearch({ range: "7d" })).toEqual({ range: "7d" });
  expect(overviewSearch({ range: "1y" })).toEqual({});
});
