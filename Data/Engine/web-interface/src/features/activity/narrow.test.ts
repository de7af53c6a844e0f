import { describe, expect, it } from "vitest";
import type { Run } from "@/features/run/queries";
import { narrow, reaches } from "./narrow";
import { activitySearch } from "./search";

const run = (created_by: string, created_at: number) => ({ created_by, created_at }) as Run;

describe("activity", () => {
  const runs = [run("ada", 30), run("bob", 20), run("ada", 10)];

  it("is narrowed to a person and a time", () => {
    expect(narrow(runs, "ada", null)).toHaveLength(2);
    expect(narrow(runs, "ada", 20)).toHaveLength(1);
    expect(narrow(runs, undefined, null)).toHaveLength(3);
  });

  it("knows how far back it goes", () => {
    expect(reaches(runs, 15)).toBe(true);
    expect(reaches(runs, 5)).toBe(false);
    expect(reaches([], 5)).toBe(false);
  });

  it("takes only what it knows from the address", () => {
    expect(activitySearch({ by: "ada", since: "7d", x: 1, device: "" })).toEqual({ by: "ada", since: "7d" });
  });
});
