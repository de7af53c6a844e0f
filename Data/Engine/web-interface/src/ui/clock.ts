import { useSyncExternalStore } from "react";
import { midnightOf } from "./range";

/** One clock for the whole page: it ticks every ten seconds, so that a thousand times cost one timer. */
let now = Date.now() / 1000;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now() / 1000;
    for (const tell of listeners) tell();
  }, 10_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && timer !== undefined) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Unix seconds, at most ten seconds old. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** The last midnight where the reader is, in Unix seconds; it changes once a day. */
export function useMidnight(): number {
  return midnightOf(useNow());
}
