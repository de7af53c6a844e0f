import { expect, test } from "vitest";
import { parseAgentLog } from "./agentLog";

test("what the device printed is read", () => {
  const log = { name: "agent.log", files: [{ name: "agent.log", size: 3 }], lines: ["a", "<b>"], cut: false };
  expect(parseAgentLog(JSON.stringify(log))).toEqual(log);
});

test("anything else is refused", () => {
  for (const printed of ["", "{}", "null", '{"name": 1, "files": [], "lines": []}']) {
    expect(() => parseAgentLog(printed)).toThrow();
  }
});
