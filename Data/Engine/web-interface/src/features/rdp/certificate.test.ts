import { describe, expect, it } from "vitest";
import { ApiError } from "@/api/errors";
import { changedTo } from "./certificate";

const known = Array.from({ length: 32 }, () => "0a").join(":");
const shown = Array.from({ length: 32 }, () => "f1").join(":");

describe("a certificate that changed", () => {
  it("is the one that is shown now, not the one that was known", () => {
    const problem = new ApiError(409, "rdp_certificate_changed", `Known: SHA-256 ${known}; shown now: ${shown}. If you know why`);
    expect(changedTo(problem)).toBe(shown);
  });

  it("is none where something else went wrong", () => {
    expect(changedTo(new ApiError(409, "rdp_refused", `No ${shown}`))).toBe("");
    expect(changedTo(new ApiError(409, "rdp_certificate_changed", "It is another."))).toBe("");
    expect(changedTo(new Error(shown))).toBe("");
    expect(changedTo(null)).toBe("");
  });
});
