import { describe, expect, it } from "vitest";
import type { Run } from "./queries";
import { countParts, inOrder, lastWords, partOf, whyOf } from "./states";

const run = (device: string, status: string, more: Partial<Run> = {}): Run =>
  ({ device, status, activity_id: 1, exit_code: null, reason: "", advice: "", stdout: "", stderr: "", ...more }) as Run;

describe("states of runs", () => {
  it("tells failures from what is under way and what is done", () => {
    expect(["Pending", "Running", "Success", "Failed", "Timed Out", "Cancelled", "Completed"].map(partOf)).toEqual([
      "under-way",
      "under-way",
      "done",
      "failed",
      "failed",
      "cancelled",
      "done",
    ]);
    expect(countParts([run("a", "Success"), run("b", "Expired")])).toEqual({ all: 2, failed: 1, "under-way": 0, done: 1, cancelled: 0 });
  });

  it("puts failures first only when nothing moves any more", () => {
    const names = (runs: Run[]) => inOrder(runs).map((one) => one.device);
    expect(names([run("b2", "Success"), run("b10", "Failed"), run("a", "Success")])).toEqual(["b10", "a", "b2"]);
    expect(names([run("b2", "Running"), run("b10", "Failed"), run("a", "Success")])).toEqual(["a", "b2", "b10"]);
  });

  it("says why", () => {
    expect(whyOf(run("a", "Failed", { exit_code: 3 }))).toBe("Exit code 3.");
    expect(whyOf(run("a", "Expired", { reason: "expired", advice: "Send it again." }))).toBe("Send it again.");
    expect(lastWords({ stdout: "x\n", stderr: "first\nlast words\n\n" })).toBe("last words");
  });
});
