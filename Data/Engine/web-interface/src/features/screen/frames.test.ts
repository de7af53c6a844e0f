import { describe, expect, it } from "vitest";
import { Meter, pieces, type FrameHead } from "./frames";

const head: FrameHead = {
  user: "",
  guid: "G",
  monitor: 1,
  width: 256,
  height: 128,
  format: "jpeg",
  fresh: true,
  tiles: [
    [0, 0, 128, 128, 3],
    [128, 0, 128, 128, 2],
  ],
};

describe("pieces", () => {
  it("cuts the bytes where one picture ends and the next begins", () => {
    const found = pieces(head, new Uint8Array([1, 2, 3, 4, 5]).buffer);
    expect(found.map((piece) => [piece.x, piece.y, piece.image.type, piece.image.size])).toEqual([
      [0, 0, "image/jpeg", 3],
      [128, 0, "image/jpeg", 2],
    ]);
  });

  it("shows nothing of a picture that is cut short", () => {
    expect(pieces(head, new Uint8Array([1, 2, 3, 4]).buffer)).toHaveLength(1);
  });
});

describe("Meter", () => {
  it("counts the frames of the last seconds alone", () => {
    const meter = new Meter(2000);
    for (let at = 0; at < 4000; at += 100) meter.count(at);
    expect(meter.perSecond(3900)).toBe(10);
    expect(meter.perSecond(9000)).toBe(0);
  });
});
