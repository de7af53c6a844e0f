/** What the Engine says before the bytes of a frame. Tiles are x, y, width, height and bytes of each. */
export interface FrameHead {
  guid: string;
  /** Whose screen was asked for; empty for whoever sits there. */
  user: string;
  monitor: number;
  width: number;
  height: number;
  format: "jpeg" | "webp" | "png";
  /** What was shown before is of another size. */
  fresh: boolean;
  tiles: [number, number, number, number, number][];
}

export interface Piece {
  x: number;
  y: number;
  image: Blob;
}

/** The pictures in a frame, each with its place. Bytes that are not there give no picture. */
export function pieces(head: FrameHead, data: ArrayBuffer): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const [x, y, , , size] of head.tiles) {
    if (at + size > data.byteLength) break;
    found.push({ x, y, image: new Blob([new Uint8Array(data, at, size)], { type: `image/${head.format}` }) });
    at += size;
  }
  return found;
}

/** Frames of the last seconds, to tell how many came in one. Milliseconds. */
export class Meter {
  private readonly times: number[] = [];

  constructor(private readonly span = 2000) {}

  count(now: number): void {
    this.times.push(now);
    this.drop(now);
  }

  perSecond(now: number): number {
    this.drop(now);
    return (this.times.length * 1000) / this.span;
  }

  private drop(now: number): void {
    while (this.times.length > 0 && (this.times[0] ?? now) <= now - this.span) this.times.shift();
  }
}
