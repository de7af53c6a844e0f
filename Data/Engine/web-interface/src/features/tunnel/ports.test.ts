import { describe, expect, it } from "vitest";
import { readPorts } from "./ports";

describe("ports", () => {
  it("are read in any order, each once", () => {
    expect(readPorts("47002, 3389 3389")).toEqual([3389, 47002]);
  });

  it("may be none at all", () => {
    expect(readPorts("  ")).toEqual([]);
  });

  it.each(["http", "0", "65536", "22;80", "-1", "1e3"])("are never %s", (text) => {
    expect(readPorts(text)).toContain("is no port");
  });

  it("are not too many", () => {
    expect(readPorts(Array.from({ length: 65 }, (_, place) => place + 1).join(","))).toContain("at most 64");
  });
});
