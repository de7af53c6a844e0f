import { describe, expect, it } from "vitest";
import { inHeldOrder, sortRows, withRange } from "./rows";

describe("sorting", () => {
  it("counts numbers in names, and puts what is missing last in both directions", () => {
    const rows = ["pc-10", "", "PC-2", "pc-1"];
    expect(sortRows(rows, (row) => row, false)).toEqual(["pc-1", "PC-2", "pc-10", ""]);
    expect(sortRows(rows, (row) => row, true)).toEqual(["pc-10", "PC-2", "pc-1", ""]);
  });
  it("keeps equal rows as they were", () => {
    const rows = [{ n: "b", v: 1 }, { n: "a", v: 1 }, { n: "c", v: 0 }];
    expect(sortRows(rows, (row) => row.v, false).map((row) => row.n)).toEqual(["c", "b", "a"]);
    expect(sortRows(rows, (row) => row.v, true).map((row) => row.n)).toEqual(["b", "a", "c"]);
  });
});

describe("texts that occur often", () => {
  it("sort as any others, numbers among them included", () => {
    const rows = Array.from({ length: 40 }, (_, place) => ["v10", "", "v9"][place % 3] ?? "");
    const sorted = sortRows(rows, (row) => row, false);
    expect([sorted[0], sorted[12], sorted[13], sorted[14], sorted[26], sorted[27]]).toEqual(["v9", "v9", "v10", "v10", "v10", ""]);
    expect(sorted.at(-1)).toBe("");
    expect(sortRows(rows, (row) => row, true)[0]).toBe("v10");
  });
});

describe("sorting again by the same key", () => {
  const name = (row: { name: string; at: number }) => row.name;
  it("takes in rows that came, and leaves equal ones as they are, whatever their case", () => {
    const rows = [{ name: "pc-9", at: 0 }, { name: "PC-10", at: 1 }, { name: "pc-10", at: 2 }];
    expect(sortRows(rows, name, false).map((row) => row.at)).toEqual([0, 1, 2]);
    const more = [...rows, { name: "pc-1", at: 3 }, { name: "", at: 4 }];
    expect(sortRows(more, name, true).map((row) => row.at)).toEqual([1, 2, 0, 3, 4]);
    expect(sortRows(more.slice(0, 2), name, true).map((row) => row.at)).toEqual([1, 0]);
  });
});

describe("a held order", () => {
  it("moves nothing; new rows come last, gone ones go", () => {
    expect(inHeldOrder(["x", "a", "c"], (row) => row, ["c", "b", "a"])).toEqual(["c", "a", "x"]);
  });
});

describe("a range", () => {
  it("works in both directions and keeps what was selected", () => {
    expect([...withRange(new Set(["z"]), ["a", "b", "c", "d"], "c", "a")]).toEqual(["z", "a", "b", "c"]);
    expect([...withRange(new Set(), ["a"], "gone", "a")]).toEqual(["a"]);
  });
});
