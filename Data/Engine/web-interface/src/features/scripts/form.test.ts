import { describe, expect, it } from "vitest";
import { filterScripts, scriptSearch } from "./find";
import { documentOf, formOf, formProblem, NEW_FORM, textOf } from "./form";
import { NEW_VARIABLE } from "./parts";
import type { ScriptItem } from "./queries";

describe("a script of the library", () => {
  const document = {
    type: "bash",
    script: "echo <b>",
    timeout_seconds: 60,
    variables: [{ name: "n", type: "number", default: 3, required: true, label: "", description: "" }],
    files: [],
    sites: { mode: "all" },
  };
  const form = formOf({ display_name: "One", summary: "", category: "", assembly_type: "bash", payload: document as never });

  it("is read and written back with what is not edited here", () => {
    expect(form.variables[0]?.value).toBe("3");
    const written = documentOf({ ...form, script: "echo 2" }, document);
    expect(written["script"]).toBe("echo 2");
    expect(written["sites"]).toEqual({ mode: "all" });
    expect(written["variables"]).toEqual([{ name: "n", label: "", type: "number", default: 3, required: true, description: "" }]);
  });

  it("says what is wrong, and compares as text", () => {
    expect(formProblem(NEW_FORM)).toContain("name");
    expect(formProblem({ ...form, variables: [{ ...NEW_VARIABLE, name: "n", type: "number", value: "x" }] })).toContain("number");
    expect(formProblem(form)).toBeNull();
    expect(textOf(form)).toContain("variable: n (number, required) = 3");
  });

  it("is found by its words", () => {
    const items = [{ display_name: "Patch", summary: "all of it", category: "updates", domain: "user" }] as ScriptItem[];
    expect(filterScripts(items, { q: "patch upd" })).toHaveLength(1);
    expect(filterScripts(items, { domain: "official" })).toHaveLength(0);
    expect(scriptSearch({ tab: "versions", version: "2", against: -1 })).toEqual({ tab: "versions", version: 2 });
  });
});
