import { describe, expect, it } from "vitest";
import { CHORDS, CONSOLES, keyOf, typed } from "./keys";

describe("keys", () => {
  it("hold the ones before while the last is pressed", () => {
    expect(CHORDS[0]?.keys.map(({ code }) => code)).toEqual(["ControlLeft", "AltLeft", "Delete"]);
    expect(CONSOLES[1]?.keys.at(-1)).toEqual({ keysym: 0xffbf, code: "F2" });
  });

  it("type Latin-1 as it is, and all else as Unicode", () => {
    expect(keyOf("a").keysym).toBe(0x61);
    expect(keyOf("ü").keysym).toBe(0xfc);
    expect(keyOf("€").keysym).toBe(0x10020ac);
    expect(keyOf("😀").keysym).toBe(0x101f600);
  });

  it("end a line with one Return, whatever it ended with", () => {
    expect(typed("a\r\nb\rc\n").map(({ keysym }) => keysym)).toEqual([0x61, 0xff0d, 0x62, 0xff0d, 0x63, 0xff0d]);
  });
});
