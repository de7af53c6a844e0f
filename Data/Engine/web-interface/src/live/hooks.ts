import { useEffect, useEffectEvent, useSyncExternalStore } from "react";
import { live, type LiveState } from "./socket";

const subscribe = (listener: () => void) => live.onState(listener);

export function useLiveState(): LiveState {
  return useSyncExternalStore(subscribe, () => live.current);
}

/** Unix seconds of the last change of the socket's state. */
export function useLiveSince(): number {
  return useSyncExternalStore(subscribe, () => live.changedAt) / 1000;
}

/** Hear of an event of the Engine's for as long as the component is there. */
export function useLiveEvent(event: string, hear: () => void): void {
  const onEvent = useEffectEvent(hear);
  useEffect(() => live.on(event, () => onEvent()), [event]);
}
