import { api, csrfNow, take } from "@/api/client";
import { ApiError, PageError, Unreachable } from "@/api/errors";

export type UploadState = "waiting" | "running" | "paused" | "away" | "exists" | "done" | "failed" | "dropped";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15_000;
const RATE_MS = 3000;
/** What passes by itself: the device, the tunnel or the Engine were away for a moment. */
const PASSING = new Set([
  "files_cut",
  "files_connect_failed",
  "files_busy",
  "tunnel_down",
  "not_connected",
  "interrupted",
  "rate_limited",
]);

export interface Place {
  guid: string;
  path: string;
  user: string;
}

/** One file on its way to a device, over as many requests as it takes. Outlives the page part that shows it. */
export class Upload {
  state: UploadState = "waiting";
  done = 0;
  /** Bytes a second, of the last moments. */
  rate = 0;
  error: unknown = null;
  overwrite = false;
  private request: XMLHttpRequest | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private retryMs = FIRST_RETRY_MS;
  private marks: { at: number; done: number }[] = [];
  private transfer = "";
  private turn = 0;

  constructor(
    readonly id: number,
    readonly place: Place,
    readonly file: File,
    private readonly changed: () => void,
  ) {}

  /** Begin, or go on with what the device has of it already. */
  start(): void {
    clearTimeout(this.retry);
    const turn = ++this.turn;
    this.set("running");
    this.error = null;
    this.marks = [];
    void this.send(turn).catch((error: unknown) => {
      if (turn === this.turn) this.failed(error);
    });
  }

  pause(): void {
    this.stop();
    this.set("paused");
  }

  drop(): void {
    this.stop();
    this.set("dropped");
  }

  replace(): void {
    this.overwrite = true;
    this.start();
  }

  private stop(): void {
    this.turn += 1;
    clearTimeout(this.retry);
    this.request?.abort();
    this.request = null;
    this.rate = 0;
  }

  private async send(turn: number): Promise<void> {
    const { guid, path, user } = this.place;
    this.transfer ||= await nameOf(this.file);
    await readable(this.file);
    const asked = { path, user, transfer: this.transfer, size: this.file.size };
    const params = { path: { guid }, query: asked };
    const stand = await take(api.GET("/api/files/{guid}/upload", { params }));
    if (turn !== this.turn) return;
    if (stand.there && !this.overwrite) {
      this.set("exists");
      return;
    }
    this.done = stand.offset;
    this.changed();
    const query = new URLSearchParams({
      ...asked,
      size: String(asked.size),
      offset: String(stand.offset),
      overwrite: String(this.overwrite),
    });
    const answer = await this.put(`/api/files/${encodeURIComponent(guid)}/content?${query.toString()}`, stand.offset);
    if (turn !== this.turn) return;
    if (!answer.whole) throw new Unreachable("not all of it arrived");
    this.done = this.file.size;
    this.set("done");
  }

  private put(url: string, offset: number): Promise<{ whole: boolean }> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("PUT", url);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-Borealis-CSRF", csrfNow());
      request.upload.onprogress = (event) => this.came(offset + event.loaded);
      request.onerror = request.onabort = () => reject(new Unreachable("the connection was lost"));
      request.onload = () => {
        const body = bodyOf(request.responseText);
        if (request.status >= 200 && request.status < 300) resolve({ whole: body.whole === true });
        else if ([0, 502, 504].includes(request.status)) reject(new Unreachable(request.status));
        else {
          const { error, detail } = body;
          const code = typeof error === "string" ? error : "unexpected_answer";
          const text = typeof detail === "string" ? detail : `The Engine answered ${request.status}.`;
          reject(new ApiError(request.status, code, text));
        }
      };
      request.send(offset === 0 ? this.file : this.file.slice(offset));
    });
  }

  private came(done: number): void {
    const now = performance.now();
    this.done = Math.min(done, this.file.size);
    this.retryMs = FIRST_RETRY_MS;
    this.marks = [...this.marks.filter((one) => now - one.at < RATE_MS), { at: now, done: this.done }];
    const first = this.marks[0];
    if (first && now > first.at) this.rate = ((this.done - first.done) * 1000) / (now - first.at);
    this.changed();
  }

  private failed(error: unknown): void {
    this.request = null;
    this.rate = 0;
    this.error = error;
    if (error instanceof ApiError && error.code === "files_exists") {
      this.set("exists");
    } else if (error instanceof Unreachable || (error instanceof ApiError && PASSING.has(error.code))) {
      this.set("away");
      this.retry = setTimeout(() => this.start(), this.retryMs);
      this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
    } else {
      this.set("failed");
    }
  }

  private set(state: UploadState): void {
    this.state = state;
    this.changed();
  }
}

function bodyOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A file that was changed or moved since it was chosen cannot be read, which a request says of no other reason. */
async function readable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (cause) {
    throw new PageError("file_unreadable", "The file cannot be read: it was changed or moved. Choose it again.", cause);
  }
}

/** The same file has the same name after a reload, so that its upload is gone on with. */
async function nameOf(file: File): Promise<string> {
  const what = new TextEncoder().encode(`${file.name}\0${file.size}\0${file.lastModified}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", what));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
