import { describe, expect, it } from "vitest";
import { failedToday } from "./today";

describe("failures of today", () => {
  it("are counted since midnight where the reader is", () => {
    const noon = new Date(2026, 5, 10, 12).getTime() / 1000;
    const run = (status: string, hours: number) => ({ status, created_at: noon - hours * 3600, finished_at: null });
    expect(failedToday([run("Failed", 1), run("Refused", 11), run("Failed", 13), run("Success", 1)], noon)).toBe(2);
  });
});
