import { describe, expect, it } from "vitest";
import { number, part, parts, plain, text, words } from "./inventory";

describe("an inventory", () => {
  const details: unknown = { cpu: { name: "X", cores: "8" }, memory: [{ slot: "A" }, null, 3], dns: ["a", 2], odd: "text" };
  it("is read where it is as expected", () => {
    expect(text(part(details, "cpu"), "name")).toBe("X");
    expect(number(part(details, "cpu"), "cores")).toBe(8);
    expect(parts(details, "memory")).toEqual([{ slot: "A" }]);
    expect(words(details, "dns")).toEqual(["a", "2"]);
  });
  it("gives nothing where it is otherwise", () => {
    expect(part(details, "odd")).toEqual({});
    expect(parts(undefined, "memory")).toEqual([]);
    expect(number({ n: "" }, "n")).toBeNull();
    expect(plain({ a: [1] })).toBe('{"a":[1]}');
    expect(plain([true, null, "x"])).toBe("yes, x");
  });
});
