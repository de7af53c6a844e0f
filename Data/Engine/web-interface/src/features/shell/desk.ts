import { ShellSession } from "./session";
import type { Scheme } from "./terminal";

/** The shells of this browser tab. They live on while other pages are looked at, and are found again after a reload. */

const KEY = "borealis.shells";

interface Kept {
  id: string;
  guid: string;
  user: string;
  number: number;
}

let sessions: readonly ShellSession[] = [];
let version = 0;
const listeners = new Set<() => void>();

function changed(): void {
  version += 1;
  for (const tell of listeners) tell();
}

/** Ids only: without the operator's sign-in they open nothing. */
function keep(): void {
  const kept: Kept[] = sessions
    .filter((one) => one.state !== "over")
    .map(({ id, guid, user, number }) => ({ id, guid, user, number }));
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

export function readKept(text: string | null): Kept[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(value)) return [];
    return value.filter(
      (one: unknown): one is Kept =>
        typeof one === "object" &&
        one !== null &&
        ["id", "guid", "user"].every((name) => typeof (one as Record<string, unknown>)[name] === "string") &&
        typeof (one as Kept).number === "number",
    );
  } catch {
    return [];
  }
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export const snapshot = () => version;

export function shellsOf(guid: string): ShellSession[] {
  return sessions.filter((one) => one.guid === guid);
}

function add(kept: Kept, scheme: Scheme, begun: boolean): ShellSession {
  const session = new ShellSession(kept.guid, kept.id, kept.user, kept.number, scheme, begun, () => {
    keep();
    changed();
  });
  sessions = [...sessions, session];
  keep();
  changed();
  return session;
}

let restored = false;

/** Once after a reload: the shells that this tab had open. */
export function restore(scheme: Scheme): void {
  if (restored) return;
  restored = true;
  for (const kept of readKept(sessionStorage.getItem(KEY))) add(kept, scheme, true);
}

export function openAnother(guid: string, user: string, scheme: Scheme): ShellSession {
  const number = Math.max(0, ...shellsOf(guid).map((one) => one.number)) + 1;
  return add({ id: crypto.randomUUID(), guid, user, number }, scheme, false);
}

export function close(session: ShellSession): void {
  sessions = sessions.filter((one) => one !== session);
  session.close();
  keep();
  changed();
}
