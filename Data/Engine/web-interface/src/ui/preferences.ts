import { useCallback, useSyncExternalStore } from "react";

/** What a reader likes on this machine: density, columns. Never a secret: it is kept in the open. */

const PREFIX = "borealis.";
const values = new Map<string, unknown>();
/** What holds for a while in place of the reader's own: of a saved view, as long as it is open. Never stored. */
const lent = new Map<string, unknown>();
const listeners = new Set<() => void>();

function store(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined; // a browser may forbid it; then preferences last as long as the page
  }
}

export function readPreference<Value>(name: string, fallback: Value): Value {
  if (lent.has(name)) return lent.get(name) as Value;
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
  if (lent.has(name)) lent.set(name, value);
  else {
    values.set(name, value);
    try {
      store()?.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      // Full or forbidden: the value still holds for this page.
    }
  }
  for (const tell of listeners) tell();
}

/** Put values in place of the reader's own until the answer is called; what is changed meanwhile is not kept. */
export function lendPreferences(given: Readonly<Record<string, unknown>>): () => void {
  for (const [name, value] of Object.entries(given)) lent.set(name, value);
  for (const tell of listeners) tell();
  return () => {
    for (const name of Object.keys(given)) lent.delete(name);
    for (const tell of listeners) tell();
  };
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
