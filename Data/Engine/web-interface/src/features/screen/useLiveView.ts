import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import { ApiError } from "@/api/errors";
import { live } from "@/live/socket";
import { Meter, pieces, type FrameHead } from "./frames";

export interface Wanted {
  /** Whose screen; empty for who sits at the machine, or else the first by name. */
  user: string;
  monitor: number;
  rate: number;
  quality: number;
}

export interface LiveView {
  state: "off" | "starting" | "on";
  /** Frames that came in the last second. */
  rate: number;
  /** What the Engine granted: somebody who watched before may have chosen another. */
  granted: { rate: number; quality: number } | null;
  /** Why it ended by itself. */
  ended: string;
  error: unknown;
  start: (wanted: Wanted) => void;
  stop: () => void;
}

interface Answer {
  status?: string;
  error?: string;
  detail?: string;
  rate?: number;
  quality?: number;
}

/** The live view of one device, painted on a canvas as it comes. It ends with the component. */
export function useLiveView(guid: string, canvas: RefObject<HTMLCanvasElement | null>, shown: () => void): LiveView {
  const [state, setState] = useState<LiveView["state"]>("off");
  const [granted, setGranted] = useState<LiveView["granted"]>(null);
  const [rate, setRate] = useState(0);
  const [ended, setEnded] = useState("");
  const [error, setError] = useState<unknown>(null);
  const wanted = useRef<Wanted | null>(null);
  const meter = useRef(new Meter());

  const off = useCallback((reason: string) => {
    wanted.current = null;
    setState("off");
    setEnded(reason);
  }, []);

  const stop = useCallback(() => {
    const was = wanted.current;
    off("");
    if (was) void live.call("unwatch_screen", { guid, user: was.user, monitor: was.monitor }).catch(() => undefined);
  }, [guid, off]);

  const start = useCallback(
    (want: Wanted) => {
      wanted.current = want;
      meter.current = new Meter();
      setState("starting");
      setEnded("");
      setError(null);
      live
        .call("watch_screen", { guid, ...want })
        .then((given) => {
          if (wanted.current !== want) return;
          const answer = given as Answer;
          if (answer.status !== "ok") {
            throw new ApiError(409, answer.error ?? "unexpected_answer", answer.detail ?? "The Engine gave no reason.");
          }
          setGranted({ rate: answer.rate ?? want.rate, quality: answer.quality ?? want.quality });
          setState("on");
        })
        .catch((problem: unknown) => {
          if (wanted.current !== want) return;
          off("");
          setError(problem);
        });
    },
    [guid, off],
  );

  useEffect(() => {
    let painting: Promise<void> = Promise.resolve();
    const mine = (told: { guid: string; user: string; monitor: number }) =>
      wanted.current !== null && told.guid === guid && told.user === wanted.current.user && told.monitor === wanted.current.monitor;
    const unlisten = [
      live.on("screen_frame", (head: FrameHead, data: ArrayBuffer, taken?: () => void) => {
        if (!mine(head)) return taken?.();
        // One after the other; the Engine sends the next ones only once this one is taken.
        painting = painting
          .then(() => paint(canvas.current, head, data))
          .then(shown, () => undefined)
          .finally(() => {
            meter.current.count(performance.now());
            taken?.();
          });
        return undefined;
      }),
      live.on("screen_ended", (told: { guid: string; user: string; monitor: number; reason: string }) => {
        if (mine(told)) off(told.reason);
      }),
      live.onState((now) => {
        if (now === "away" && wanted.current) off("The connection to the Engine was lost. Start again once it is back.");
      }),
    ];
    return () => {
      for (const end of unlisten) end();
      const was = wanted.current;
      wanted.current = null;
      if (was) void live.call("unwatch_screen", { guid, user: was.user, monitor: was.monitor }).catch(() => undefined);
    };
  }, [guid, canvas, shown, off]);

  useEffect(() => {
    if (state !== "on") return undefined;
    const timer = setInterval(() => setRate(meter.current.perSecond(performance.now())), 1000);
    return () => clearInterval(timer);
  }, [state]);

  return { state, rate, granted, ended, error, start, stop };
}

async function paint(canvas: HTMLCanvasElement | null, head: FrameHead, data: ArrayBuffer): Promise<void> {
  if (!canvas) return;
  const drawn = await Promise.all(
    pieces(head, data).map(async (piece) => ({ ...piece, bitmap: await createImageBitmap(piece.image) })),
  );
  if (head.fresh || canvas.width !== head.width || canvas.height !== head.height) {
    canvas.width = head.width;
    canvas.height = head.height;
  }
  const context = canvas.getContext("2d");
  for (const { bitmap, x, y } of drawn) {
    context?.drawImage(bitmap, x, y);
    bitmap.close();
  }
}
