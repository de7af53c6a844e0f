/**
 * The output of one or many runs as lines. Pieces come in any order, some twice, some late; lines are in the order in
 * which they came, for each run in the order of its own numbers.
 */

export type Stream = "stdout" | "stderr";

export interface Line {
  run: string;
  stream: Stream;
  text: string;
}

interface Kept {
  next: number;
  early: Map<number, { stream: Stream; data: string }>;
  /** The last line of each stream, while it has no end. */
  open: { stdout?: Line | undefined; stderr?: Line | undefined };
  /** How many characters of each stream came, and the last of them: to tell what the end of the run adds. */
  came: Record<Stream, number>;
  tail: Record<Stream, string>;
  started: boolean;
  over: boolean;
}

const TAIL = 64;

/** Beyond this the oldest lines are let go; the whole output of a run stays with the Engine. */
export const MOST_LINES = 200_000;

/** Colours and cursor movements of terminals. */
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
/** What else cannot be shown. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A line as it is shown: no terminal codes; of what was overwritten in place, the last. */
export function readable(text: string): string {
  const plain = text.includes("\u001b") ? text.replace(ESCAPES, "") : text;
  const whole = plain.endsWith("\r") ? plain.slice(0, -1) : plain;
  const last = whole.lastIndexOf("\r");
  return (last < 0 ? whole : whole.slice(last + 1)).replace(CONTROLS, "\ufffd").replaceAll("\t", "    ");
}

const EVERY_MS = 100;

export class Output {
  lines: Line[] = [];
  dropped = 0;

  /** `name`: what it is the output of. */
  constructor(readonly name = "") {}

  private readonly runs = new Map<string, Kept>();
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private told = Number.NEGATIVE_INFINITY;
  private count = 0;

  /** Changes with every change; for `useSyncExternalStore`. */
  readonly version = (): number => this.count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  /** Take one piece. Repeats are left out; one that is too early waits for those before it. */
  piece(run: string, seq: number, stream: string, data: string): void {
    const kept = this.keep(run);
    if (kept.over || seq < kept.next || kept.early.has(seq)) return;
    kept.early.set(seq, { stream: stream === "stderr" ? "stderr" : "stdout", data });
    this.release(run, kept);
  }

  /** Pieces that the Engine gave as all there are after the last known one: numbers between them were never kept. */
  page(run: string, pieces: readonly { seq: number; stream: string; data: string }[]): void {
    const kept = this.keep(run);
    for (const { seq, stream, data } of pieces) {
      if (kept.over || seq < kept.next) continue;
      kept.early.delete(seq);
      this.append(run, kept, stream === "stderr" ? "stderr" : "stdout", data);
      kept.next = seq + 1;
    }
    this.release(run, kept);
  }

  /** The run is over, and this is its whole output: what did not come by pieces is added (its last words, or all). */
  finish(run: string, stdout: string, stderr: string): void {
    const kept = this.keep(run);
    if (kept.over) return;
    const whole = [["stdout", stdout], ["stderr", stderr]] as const;
    // Pieces are lost while the Engine is away; the result is not. Where it tells more, and not only at its end, it counts.
    const holes = whole.some(([stream, text]) => {
      const came = kept.came[stream];
      return text.length > came && text.slice(Math.max(0, came - kept.tail[stream].length), came) !== kept.tail[stream];
    });
    if (holes) {
      this.lines = this.lines.filter((line) => line.run !== run);
      kept.came = { stdout: 0, stderr: 0 };
      kept.open = {};
    }
    for (const [stream, text] of whole) {
      if (text.length > kept.came[stream]) this.append(run, kept, stream, text.slice(kept.came[stream]));
      kept.open[stream] = undefined;
    }
    kept.over = true;
    this.changed();
  }

  /** The number below which all pieces are here, minus one: what to ask after. */
  after(run: string): number {
    return this.keep(run).next - 1;
  }

  /** Whether pieces wait for others that have not come. */
  hasGap(run: string): boolean {
    return this.keep(run).early.size > 0;
  }

  isOver(run: string): boolean {
    return this.keep(run).over;
  }

  isEmpty(run: string): boolean {
    return !this.keep(run).started;
  }

  private keep(run: string): Kept {
    let kept = this.runs.get(run);
    if (kept === undefined) {
      kept = { next: 0, early: new Map(), open: {}, came: { stdout: 0, stderr: 0 }, tail: { stdout: "", stderr: "" }, started: false, over: false };
      this.runs.set(run, kept);
    }
    return kept;
  }

  private release(run: string, kept: Kept): void {
    for (let piece = kept.early.get(kept.next); piece; piece = kept.early.get(kept.next)) {
      kept.early.delete(kept.next);
      kept.next += 1;
      this.append(run, kept, piece.stream, piece.data);
    }
  }

  private append(run: string, kept: Kept, stream: Stream, data: string): void {
    if (data === "") return;
    kept.started = true;
    kept.came[stream] += data.length;
    kept.tail[stream] = (kept.tail[stream] + data.slice(-TAIL)).slice(-TAIL);
    const parts = data.split("\n");
    parts.forEach((part, place) => {
      const last = place === parts.length - 1;
      const open = kept.open[stream];
      if (open) {
        open.text += part;
        if (!last) kept.open[stream] = undefined;
        return;
      }
      if (last && part === "") return;
      const line: Line = { run, stream, text: part };
      this.lines.push(line);
      if (last) kept.open[stream] = line;
    });
    if (this.lines.length > MOST_LINES) {
      const many = this.lines.length - MOST_LINES * 0.9;
      this.lines.splice(0, many);
      this.dropped += many;
    }
    this.changed();
  }

  /** Tell at once after a quiet time, and at most ten times a second, however much comes. */
  private changed(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.told = performance.now();
      this.count += 1;
      for (const tell of this.listeners) tell();
    }, Math.max(0, EVERY_MS - (performance.now() - this.told)));
  }
}
