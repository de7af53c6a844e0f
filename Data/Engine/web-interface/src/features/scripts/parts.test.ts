import { describe, expect, it } from "vitest";
import { NEW_VARIABLE, readVariables, typedValue, variableProblem } from "./parts";

describe("variables", () => {
  it("turn texts into what their type says", () => {
    expect(typedValue({ type: "number", value: " 1.5 " })).toBe(1.5);
    expect(typedValue({ type: "number", value: "" })).toBeNull();
    expect(typedValue({ type: "number", value: "many" })).toBeUndefined();
    expect(typedValue({ type: "boolean", value: "false" })).toBe(false);
    expect(typedValue({ type: "string", value: " x" })).toBe(" x");
  });

  it("say what is wrong", () => {
    const one = { ...NEW_VARIABLE, name: "a" };
    const other = { ...NEW_VARIABLE, name: "a" };
    expect(variableProblem({ ...NEW_VARIABLE }, [])).toContain("name");
    expect(variableProblem({ ...one, name: "a=b" }, [])).toContain("'='");
    expect(variableProblem(one, [one, other])).toContain("another");
    expect(variableProblem(one, [one])).toBeNull();
  });

  it("are read from what the Engine says, whatever it is", () => {
    expect(readVariables(null)).toEqual([]);
    expect(readVariables([null, { name: "n", type: "boolean", default: true, required: true }])).toEqual([
      { name: "n", type: "boolean", value: "true", label: "", description: "", required: true },
    ]);
  });
});
