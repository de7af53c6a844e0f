import { describe, expect, it } from "vitest";
import { detailText } from "./detail";

describe("details of an audit entry", () => {
  const detail = { job_id: "28e1a04e-a660-4e1e-a80d-098292997d46", script: "Disk space", empty: "", sha256: "ab".repeat(32) };
  it("are one line, with ids cut", () => {
    expect(detailText(detail, true)).toBe("job id 28e1a04e…, script Disk space, sha256 abababab…");
  });
  it("are whole on demand", () => {
    expect(detailText(detail, false)).toContain("ab".repeat(32));
  });
});
