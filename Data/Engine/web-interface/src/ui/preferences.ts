import { useCallback, useSyncExternalStore } from "react";

/** What a reader likes on this machine: density, columns, saved filters. Never a secret: it is kept in the open. */

const PREFIX = "borealis.";
const values = new Map<string, unknown>();
const listeners = new Set<() => void>();

function store(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined; // a browser may forbid it; then preferences last as long as the page
  }
}

export function readPreference<Value>(name: string, fallback: Value): Value {
  if (values.has(name)) return values.get(name) as Value;
  let found: Value = fallback;
  try {
    const text = store()?.getItem(PREFIX + name);
    if (text) found = JSON.parse(text) as Value;
  } catch {
    found = fallback;
  }
  values.set(name, found);
  return found;
}

export function writePreference(name: string, value: unknown): void {
  values.set(name, value);
  try {
    store()?.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Full or forbidden: the value still holds for this page.
  }
  for (const tell of listeners) tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A preference and its setter. `fallback` must be the same object each time (a constant). */
export function usePreference<Value>(name: string, fallback: Value): [Value, (value: Value) => void] {
  const value = useSyncExternalStore(subscribe, () => readPreference(name, fallback));
  const set = useCallback((next: Value) => writePreference(name, next), [name]);
  return [value, set];
}

export type Density = "comfortable" | "compact";

export function useDensity(): [Density, (value: Density) => void] {
  return usePreference<Density>("density", "comfortable");
}
