import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { live } from "@/live/socket";
import { Output } from "./output";
import { askOutput, askRun, type Run } from "./queries";
import { isUnderWay } from "./states";

/** So many runs are watched live at once (the Engine allows 64 for a page); the others are read when they are over. */
const MOST_WATCHED = 60;
/** Up to so many runs that are over are read piece by piece, both streams in the order in which they came. */
const MOST_BY_PIECE = 40;
const AT_ONCE = 4;
/** Pieces that are missing for so long are asked for. */
const GAP_MS = 400;
const MOST_PAGES = 40;

interface Piece {
  run_id: string;
  seq: number;
  stream: string;
  data: string;
}

/** The runs whose output comes live: the wanted one first. */
function toWatch(runs: readonly Run[], wanted: string | undefined): string[] {
  const under = runs.filter((run) => isUnderWay(run.status)).map((run) => run.run_id);
  const first = wanted !== undefined && under.includes(wanted) ? [wanted] : [];
  return [...first, ...under.filter((run) => run !== wanted)].slice(0, MOST_WATCHED);
}

class Reader {
  private readonly busy = new Set<string>();
  /** Wanted again while it was being read: something happened meanwhile. */
  private readonly again = new Map<string, Run>();
  private queue: Run[] = [];
  private running = 0;
  stopped = false;

  constructor(private readonly output: Output) {}

  /** Read what is missing of a run; nothing where that is under way already. */
  want(run: Run): void {
    if (this.stopped || this.output.isOver(run.run_id)) return;
    if (this.busy.has(run.run_id)) {
      this.again.set(run.run_id, run);
      return;
    }
    this.busy.add(run.run_id);
    this.queue.push(run);
    this.pump();
  }

  private pump(): void {
    while (this.running < AT_ONCE) {
      const run = this.queue.shift();
      if (!run) return;
      this.running += 1;
      this.read(run)
        .catch(() => undefined) // the Engine is away: after its return everything that is missing is asked for anew
        .finally(() => {
          this.running -= 1;
          this.busy.delete(run.run_id);
          const next = this.again.get(run.run_id);
          this.again.delete(run.run_id);
          if (this.stopped) return;
          if (next) this.want(next);
          this.pump();
        });
    }
  }

  private async read(run: Run): Promise<void> {
    const { output } = this;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const answer = await askOutput(run.run_id, output.after(run.run_id));
      if (this.stopped) return;
      output.page(run.run_id, answer.chunks);
      if (answer.done) {
        // What the pieces lack (last words, all that was said while the Engine was away) comes with the result alone.
        // What is known of the run here may be older than its end: without a result in it, the Engine is asked.
        const whole = run.stdout || run.stderr ? run : await askRun(run.run_id);
        if (!isUnderWay(whole.status)) output.finish(run.run_id, whole.stdout, whole.stderr);
        return;
      }
      if (answer.chunks.length === 0) return;
    }
  }
}

/** The output of these runs: live where they are under way, read where they are over, whole after every break. */
export function useOutput(runs: readonly Run[], wanted: string | undefined, name: string): Output {
  const output = useMemo(() => new Output(name), [name]);
  useSyncExternalStore(output.subscribe, output.version);
  const now = useRef(runs);
  const reader = useRef<Reader | null>(null);
  useEffect(() => {
    now.current = runs;
  }, [runs]);

  useEffect(() => {
    const made = new Reader(output);
    reader.current = made;
    const find = (id: string) => now.current.find((run) => run.run_id === id);
    const gaps = new Map<string, ReturnType<typeof setTimeout>>();
    const offOutput = live.on("quick_job_output", (piece: Piece) => {
      if (!find(piece.run_id)) return;
      output.piece(piece.run_id, piece.seq, piece.stream, piece.data);
      if (!output.hasGap(piece.run_id) || gaps.has(piece.run_id)) return;
      const timer = setTimeout(() => {
        gaps.delete(piece.run_id);
        const run = find(piece.run_id);
        if (run && output.hasGap(run.run_id)) made.want(run);
      }, GAP_MS);
      gaps.set(piece.run_id, timer);
    });
    const offState = live.onState((state) => {
      if (state !== "live") return;
      for (const run of now.current) if (run.status === "Running") made.want(run);
    });
    return () => {
      made.stopped = true;
      reader.current = null;
      offOutput();
      offState();
      for (const timer of gaps.values()) clearTimeout(timer);
    };
  }, [output]);

  const watch = toWatch(runs, wanted).join(" ");
  useEffect(() => {
    const offs = watch.split(" ").filter(Boolean).map((run) => live.watch(run));
    return () => {
      for (const off of offs) off();
    };
  }, [watch]);

  // Each run is read once when it is met, and once when it is over.
  const states = runs.map((run) => `${run.run_id} ${run.status}`).join("\n");
  useEffect(() => {
    const many = now.current.length > MOST_BY_PIECE;
    for (const run of now.current) {
      if (output.isOver(run.run_id)) continue;
      // The socket said that it is over; what it said comes with the next answer of the Engine.
      if (!isUnderWay(run.status) && run.finished_at === null && run.stdout === "" && run.stderr === "") continue;
      if (!isUnderWay(run.status) && !run.has_stdout && !run.has_stderr && output.isEmpty(run.run_id)) {
        output.finish(run.run_id, "", "");
      } else if (!isUnderWay(run.status) && many && output.isEmpty(run.run_id) && (run.stdout || run.stderr)) {
        output.finish(run.run_id, run.stdout, run.stderr);
      } else if (run.status !== "Pending") reader.current?.want(run);
    }
  }, [states, output, runs]);

  return output;
}
