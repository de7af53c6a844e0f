import type RFB from "@novnc/novnc";
import { ApiError, describe, PageError, Unreachable } from "@/api/errors";
import { patiently } from "@/app/lazy";
import { typed, type Chord } from "./keys";
import { StreamChannel, streamUrl, type Ticket, type Told } from "./stream";

export type DesktopState = "off" | "starting" | "waiting" | "on" | "lost" | "over";

/** How the picture fits: into the page, pixel for pixel, or the desktop takes the page's size. */
export type Sizing = "fit" | "actual" | "resize";

export type Quality = "low" | "medium" | "high";
const QUALITY: Record<Quality, { quality: number; compression: number }> = {
  low: { quality: 2, compression: 9 },
  medium: { quality: 6, compression: 2 },
  high: { quality: 9, compression: 1 },
};

/** Asks the Engine for one connection. */
export type Start = () => Promise<Ticket>;

/** What the reader chose; holds for the next connection too. */
export interface Wishes {
  viewOnly: boolean;
  sizing: Sizing;
  quality: Quality;
  /** Keep both clipboards the same by themselves, as far as the browser lets a page do so. */
  shareClipboard: boolean;
}

const USUAL: Wishes = { viewOnly: false, sizing: "fit", quality: "medium", shareClipboard: false };

const FIRST_RETRY_MS = 1000;
const MOST_RETRIES = 6;
/** So long it has to last before a loss is a first one again. */
const STEADY_MS = 15_000;

interface Around {
  loadRfb: () => Promise<typeof RFB>;
  connect: (url: string) => WebSocket;
}

const BROWSER: Around = {
  loadRfb: async () => (await patiently(() => import("@novnc/novnc"))).default,
  connect: (url) => new WebSocket(url),
};

/** One desktop in a part of the page: the way to it, and what the reader does with it. */
export class DesktopSession {
  state: DesktopState = "off";
  /** Why it is over or lost. */
  message = "";
  error: unknown = null;
  /** Somebody at the device is asked, until then (milliseconds, as `Date.now`). */
  waiting: { why: string; until: number } | null = null;
  /** What the Engine said when it opened. */
  told: Readonly<Record<string, unknown>> = {};
  /** What the desktop calls itself. */
  title = "";
  /** The text that was put on the desktop's clipboard last, here or there. */
  clipboard = "";
  /** Only looking is allowed, whatever the reader wishes. */
  mustView = false;
  wishes: Wishes;

  private place: HTMLElement | null = null;
  private label = "";
  private onLeave: () => void = () => undefined;
  private rfb: RFB | null = null;
  private channel: StreamChannel | null = null;
  private attempt = 0;
  private retries = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private since = 0;
  private readonly held = new Map<string, string>();
  private version = 0;
  private readonly listeners = new Set<() => void>();

  constructor(liked: Partial<Wishes> = {}, private readonly around: Around = BROWSER) {
    this.wishes = { ...USUAL, ...liked };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  readonly snapshot = (): number => this.version;

  /** Where it is shown, until the answer is called; then all of it ends. `onLeave` takes the keyboard's focus. */
  attach(place: HTMLElement, onLeave: () => void): () => void {
    this.place = place;
    this.onLeave = onLeave;
    const onKeyDown = (event: KeyboardEvent) => this.onKeyDown(event);
    const onKeyUp = (event: KeyboardEvent) => {
      this.held.delete(event.code);
    };
    const onFocusIn = () => void this.offerClipboard();
    const onFocusOut = (event: FocusEvent) => this.releaseKeys(event.target);
    place.addEventListener("keydown", onKeyDown, { capture: true });
    place.addEventListener("keyup", onKeyUp, { capture: true });
    place.addEventListener("focusin", onFocusIn);
    place.addEventListener("focusout", onFocusOut);
    return () => {
      place.removeEventListener("keydown", onKeyDown, { capture: true });
      place.removeEventListener("keyup", onKeyUp, { capture: true });
      place.removeEventListener("focusin", onFocusIn);
      place.removeEventListener("focusout", onFocusOut);
      this.drop();
      this.place = null;
      this.become("off");
    };
  }

  /** What the picture is called for who cannot see it. */
  call(label: string): void {
    this.label = label;
    this.canvas()?.setAttribute("aria-label", label);
  }

  /** Connect, also again. `start` is asked once for each connection. */
  begin(start: Start): void {
    this.retries = 0;
    void this.connect(start);
  }

  /** The reader has enough. */
  end(): void {
    this.drop();
    this.become("over", "You ended it.");
  }

  wish(change: Partial<Wishes>): void {
    this.wishes = { ...this.wishes, ...change };
    this.apply();
    this.changed();
  }

  /** Keys go nowhere: by wish, or because more is not allowed. */
  get isViewOnly(): boolean {
    return this.wishes.viewOnly || this.mustView;
  }

  focus(): void {
    this.rfb?.focus({ preventScroll: true });
  }

  send(chord: Chord): void {
    for (const { keysym, code } of chord.keys) this.rfb?.sendKey(keysym, code, true);
    for (const { keysym, code } of [...chord.keys].reverse()) this.rfb?.sendKey(keysym, code, false);
    this.focus();
  }

  /** Type a text, for where a clipboard does not reach: a sign-in. */
  type(text: string): void {
    for (const { keysym, code } of typed(text)) this.rfb?.sendKey(keysym, code);
    this.focus();
  }

  /** Put a text on the desktop's clipboard. */
  paste(text: string): void {
    this.clipboard = text;
    this.rfb?.clipboardPasteFrom(text);
    this.changed();
  }

  private async connect(start: Start): Promise<void> {
    this.drop();
    const attempt = ++this.attempt;
    const isCurrent = () => attempt === this.attempt && this.place !== null;
    this.error = null;
    this.waiting = null;
    this.become(this.retries > 0 ? "lost" : "starting", this.retries > 0 ? this.message : "");
    try {
      // The code first: a token is short-lived, and a WebSocket that is open has to be listened to.
      const Rfb = await this.around.loadRfb();
      if (!isCurrent()) return;
      const ticket = await start();
      if (!isCurrent()) return;
      this.mustView = ticket.viewOnly ?? false;
      this.channel = new StreamChannel(this.around.connect(streamUrl(ticket)), {
        told: (said) => {
          if (isCurrent()) this.hear(said, Rfb);
        },
        ended: (said) => {
          if (isCurrent()) this.ended(said, start);
        },
      });
    } catch (problem) {
      if (!isCurrent()) return;
      if (this.retries > 0 && problem instanceof Unreachable) this.lose(start, describe(problem).sentence);
      else this.fail(problem);
    }
  }

  private hear(said: Told, Rfb: typeof RFB): void {
    if (said.event === "wait") {
      this.waiting = { why: said.why, until: Date.now() + 1000 * said.seconds };
      this.become("waiting");
    } else if (said.event === "opened" && !this.rfb && this.place && this.channel) {
      this.waiting = null;
      this.told = said.more;
      if (said.more["view_only"] === true) this.mustView = true;
      this.become("starting");
      this.show(new Rfb(this.place, this.channel, { shared: true }));
    }
  }

  private show(rfb: RFB): void {
    this.rfb = rfb;
    let why = "What came was no picture of a desktop, or the desktop's server gave up.";
    const isCurrent = () => this.rfb === rfb;
    rfb.background = "transparent";
    rfb.showDotCursor = true;
    this.apply();
    rfb.addEventListener("connect", () => {
      if (!isCurrent()) return;
      this.since = Date.now();
      this.become("on");
      this.markCanvas();
      this.focus();
    });
    rfb.addEventListener("securityfailure", ({ detail }) => {
      why = `The desktop's server let nobody in. ${detail.reason ?? ""}`.trim();
    });
    rfb.addEventListener("credentialsrequired", () => {
      if (!isCurrent()) return;
      this.fail(new PageError("desktop_password", "The desktop's server asks for a password, and there is none to give."));
    });
    rfb.addEventListener("disconnect", () => {
      if (isCurrent()) this.fail(new PageError("desktop_protocol", why));
    });
    rfb.addEventListener("desktopname", ({ detail }) => {
      this.title = detail.name;
      this.changed();
    });
    rfb.addEventListener("clipboard", ({ detail }) => {
      this.clipboard = detail.text;
      this.changed();
      // Without the reader's leave, or without focus, the browser says no; the text is in the panel all the same.
      if (this.wishes.shareClipboard) void navigator.clipboard.writeText(detail.text).catch(() => undefined);
    });
  }

  private ended(said: Extract<Told, { event: "closed" }> | null, start: Start): void {
    const wasOn = this.state === "on";
    this.rfb = null;
    this.channel = null;
    if (said?.error) this.fail(new ApiError(409, said.error, said.detail || "The Engine gave no reason."));
    else if (said) this.become("over", said.detail || "The desktop has ended.");
    else if (wasOn || this.retries > 0) {
      if (Date.now() - this.since > STEADY_MS) this.retries = 0;
      this.lose(start, "The connection to the Engine was lost.");
    } else this.fail(new PageError("stream_refused", "The Engine did not open the connection, or it was lost at once."));
  }

  private lose(start: Start, why: string): void {
    this.drop();
    if (this.retries >= MOST_RETRIES) {
      this.become("over", why);
      return;
    }
    this.become("lost", why);
    this.retry = setTimeout(() => void this.connect(start), FIRST_RETRY_MS * 2 ** this.retries);
    this.retries += 1;
  }

  private fail(problem: unknown): void {
    this.drop();
    this.error = problem;
    this.become("over", describe(problem).sentence);
  }

  /** Forget the connection that there is, and whatever was to come. */
  private drop(): void {
    this.attempt += 1;
    clearTimeout(this.retry);
    this.held.clear();
    const { rfb, channel } = this;
    this.rfb = null;
    this.channel = null;
    this.waiting = null;
    rfb?.disconnect();
    channel?.close();
  }

  private apply(): void {
    const { rfb, wishes } = this;
    if (!rfb) return;
    rfb.viewOnly = this.isViewOnly;
    rfb.scaleViewport = wishes.sizing !== "actual";
    rfb.resizeSession = wishes.sizing === "resize";
    rfb.qualityLevel = QUALITY[wishes.quality].quality;
    rfb.compressionLevel = QUALITY[wishes.quality].compression;
    this.markCanvas();
  }

  private canvas(): HTMLCanvasElement | null {
    return this.place?.querySelector("canvas") ?? null;
  }

  private markCanvas(): void {
    const canvas = this.canvas();
    if (!canvas) return;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", this.isViewOnly ? "img" : "application");
    canvas.setAttribute("aria-label", this.label);
  }

  private onKeyDown(event: KeyboardEvent): void {
    // A way out for who works by keyboard: all other keys, Tab too, belong to the desktop.
    if (event.ctrlKey && event.shiftKey && event.code === "KeyE") {
      event.preventDefault();
      event.stopPropagation();
      this.onLeave();
      return;
    }
    // Whoever only looks, and types all the same, means no shortcut of this page.
    if (this.isViewOnly && event.code !== "Tab") event.stopPropagation();
    else this.held.set(event.code, event.key);
  }

  /** Whoever leaves while keys are down takes them along: the desktop would wait for their end for ever. */
  private releaseKeys(target: EventTarget | null): void {
    for (const [code, key] of [...this.held]) target?.dispatchEvent(new KeyboardEvent("keyup", { code, key }));
    this.held.clear();
  }

  private async offerClipboard(): Promise<void> {
    if (!this.wishes.shareClipboard || this.isViewOnly) return;
    try {
      const text = await navigator.clipboard.readText();
      if (text && text !== this.clipboard) this.paste(text);
    } catch {
      // The reader said no, or the browser has no such thing: the panel is there.
    }
  }

  private become(state: DesktopState, message = ""): void {
    this.state = state;
    this.message = message;
    this.changed();
  }

  private changed(): void {
    this.version += 1;
    for (const tell of this.listeners) tell();
  }
}
