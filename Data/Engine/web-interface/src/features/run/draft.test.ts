import { describe, expect, it } from "vitest";
import { NEW_VARIABLE } from "@/features/scripts/parts";
import { EMPTY, problemOf, requestOf } from "./draft";

describe("a draft", () => {
  const good = { ...EMPTY, script: "echo hi" };

  it("says what stands in the way", () => {
    expect(problemOf(EMPTY, 1, false)).toContain("Write a script");
    expect(problemOf(EMPTY, 1, true)).toBeNull();
    expect(problemOf(good, 0, false)).toContain("device");
    expect(problemOf({ ...good, variables: [{ ...NEW_VARIABLE, name: "n", required: true }] }, 1, false)).toContain("needs a value");
    expect(problemOf({ ...good, environment: [{ name: "A=B", value: "" }] }, 1, false)).toContain("environment");
    expect(problemOf(good, 1, false)).toBeNull();
  });

  it("asks for its own text with typed variables", () => {
    const request = requestOf({ ...good, variables: [{ ...NEW_VARIABLE, name: "n", type: "number", value: "3" }] }, ["G"], null);
    expect(request.variables).toEqual([{ name: "n", type: "number", value: 3 }]);
    expect(request.script_content).toBe("echo hi");
    expect(request.guids).toEqual(["G"]);
  });

  it("asks for a stored script with values only", () => {
    const request = requestOf({ ...good, variables: [{ ...NEW_VARIABLE, name: "n", value: "x" }] }, ["G"], { guid: "S", version: 2 });
    expect(request.assembly_guid).toBe("S");
    expect(request.assembly_version).toBe(2);
    expect(request.variable_values).toEqual({ n: "x" });
    expect("script_content" in request).toBe(false);
    expect("files" in request).toBe(false);
  });
});

describe("the signed-in user of a run", () => {
  const given = { ...EMPTY, script: "id", user: " ada " };

  it("is named for a run in a user's name alone", () => {
    expect(requestOf({ ...given, context: "interactive" }, ["G"], null).run_as_user).toBe("ada");
    expect(requestOf({ ...given, context: "system" }, ["G"], null)).not.toHaveProperty("run_as_user");
    expect(requestOf({ ...given, context: "interactive", type: "ansible" }, ["G"], null)).not.toHaveProperty("run_as_user");
    expect(requestOf({ ...given, context: "interactive", user: " " }, ["G"], null)).not.toHaveProperty("run_as_user");
  });
});
