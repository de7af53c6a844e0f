import { describe, expect, it } from "vitest";
import { ago, bytes, duration } from "./time";

describe("times", () => {
  it("are relative and name their unit", () => {
    expect(ago(1000, 1002)).toBe("just now");
    expect(ago(1000, 1000 + 60 * 5)).toBe("5 minutes ago");
    expect(ago(1000 + 7200, 1000)).toBe("in 2 hours");
    expect(ago(0, 86_400)).toBe("yesterday");
  });
  it("last in two units at most", () => {
    expect(duration(0.0999)).toBe("< 0.1 s");
    expect(duration(0.42)).toBe("0.4 s");
    expect(duration(242)).toBe("4 min 2 s");
    expect(duration(97_200)).toBe("1 d 3 h");
    expect(duration(3600)).toBe("1 h");
  });
});

describe("sizes", () => {
  it("are counted in powers of 1024", () => {
    expect(bytes(512)).toBe("512 B");
    expect(bytes(1536)).toBe("1.5 KiB");
    expect(bytes(64 * 1024 ** 3)).toBe("64 GiB");
  });
});
