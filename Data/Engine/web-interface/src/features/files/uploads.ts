import { Upload, type Place } from "./upload";

/** The uploads of this browser tab. They go on while other pages are looked at. */

const AT_ONCE = 2;

let uploads: readonly Upload[] = [];
let version = 0;
let count = 0;
const listeners = new Set<() => void>();
const landed = new Set<(place: Place) => void>();

function changed(): void {
  version += 1;
  for (const tell of listeners) tell();
}

function moved(one: Upload): void {
  if (one.state === "done") for (const tell of landed) tell(one.place);
  if (one.state === "dropped") uploads = uploads.filter((other) => other !== one);
  next();
  changed();
}

function next(): void {
  const running = uploads.filter((one) => one.state === "running").length;
  const waiting = uploads.filter((one) => one.state === "waiting");
  for (const one of waiting.slice(0, Math.max(0, AT_ONCE - running))) one.start();
}

/** Bring a file to a device. Two go at a time. */
export function upload(place: Place, file: File): void {
  const known = uploads.find(
    (one) => one.place.guid === place.guid && one.place.path === place.path && one.place.user === place.user,
  );
  if (known && ["running", "waiting"].includes(known.state)) return;
  known?.drop();
  const made: Upload = new Upload(++count, place, file, () => moved(made));
  uploads = [...uploads, made];
  next();
  changed();
}

export function uploadsOf(guid: string): readonly Upload[] {
  return uploads.filter((one) => one.place.guid === guid);
}

/** Forget those that are over. */
export function clearOver(guid: string): void {
  uploads = uploads.filter((one) => one.place.guid !== guid || !["done", "failed"].includes(one.state));
  changed();
}

/** Some are not over: leaving the page would cut them. */
export function anyUnderWay(): boolean {
  return uploads.some((one) => ["running", "waiting", "away"].includes(one.state));
}

export function whenLanded(tell: (place: Place) => void): () => void {
  landed.add(tell);
  return () => {
    landed.delete(tell);
  };
}

export function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => {
    listeners.delete(tell);
  };
}

export const snapshot = (): number => version;

/** The files of a drop, and whether folders were among them, which a page cannot bring. */
export function droppedFiles(data: DataTransfer): { files: File[]; folders: boolean } {
  const files: File[] = [];
  let folders = false;
  for (const item of data.items) {
    if (item.kind !== "file") continue;
    const file = item.getAsFile();
    if (item.webkitGetAsEntry()?.isDirectory) folders = true;
    else if (file) files.push(file);
  }
  return { files, folders };
}
