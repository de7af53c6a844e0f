import type { RawChannel } from "@novnc/novnc";

/** What opens one stream: its path at this Engine, and the token that is good for one WebSocket. */
export interface Ticket {
  path: string;
  token: string;
  /** What is typed and pointed at goes nowhere, whatever the reader wants. */
  viewOnly?: boolean;
}

/** The Engine says something about the stream, in a text frame: someone is asked, it is open, it is over. */
export type Told =
  | { event: "wait"; seconds: number; why: string }
  | { event: "opened"; more: Readonly<Record<string, unknown>> }
  | { event: "closed"; error: string; detail: string };

/** A text frame, read; null where it says nothing that is known here. */
export function readTold(frame: string): Told | null {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const said = value as Record<string, unknown>;
  const text = (name: string) => (typeof said[name] === "string" ? said[name] : "");
  switch (said["event"]) {
    case "wait":
      return { event: "wait", seconds: typeof said["seconds"] === "number" ? said["seconds"] : 0, why: text("why") };
    case "opened":
      return { event: "opened", more: said };
    case "closed":
      return { event: "closed", error: text("error"), detail: text("detail") };
    default:
      return null;
  }
}

export function streamUrl(ticket: Ticket, base: string = window.location.href): string {
  const url = new URL(ticket.path, base);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  url.searchParams.set("token", ticket.token);
  return url.href;
}

/** Who hears what the Engine says, and how it ended: with its own words, or with none where the connection was lost. */
export interface StreamHearer {
  told(said: Told): void;
  ended(said: Extract<Told, { event: "closed" }> | null): void;
}

/** The bytes of a stream as noVNC wants them: binary frames alone. What the Engine says goes to the hearer. */
export class StreamChannel implements RawChannel {
  onopen: RawChannel["onopen"] = null;
  onclose: RawChannel["onclose"] = null;
  onerror: RawChannel["onerror"] = null;
  private hear: RawChannel["onmessage"] = null;
  /** Frames that came before anybody read them. */
  private early: MessageEvent[] = [];
  private last: Extract<Told, { event: "closed" }> | null = null;

  constructor(
    private readonly socket: WebSocket,
    private readonly hearer: StreamHearer,
  ) {
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event: MessageEvent) => this.came(event));
    socket.addEventListener("error", (event) => this.onerror?.(event));
    socket.addEventListener("close", (event) => {
      this.hearer.ended(this.last);
      this.onclose?.(event);
    });
  }

  get onmessage(): RawChannel["onmessage"] {
    return this.hear;
  }

  set onmessage(hear: RawChannel["onmessage"]) {
    this.hear = hear;
    if (!hear) return;
    for (const event of this.early.splice(0)) hear(event);
  }

  get binaryType(): string {
    return this.socket.binaryType;
  }

  set binaryType(type: string) {
    this.socket.binaryType = type as BinaryType;
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get readyState(): number {
    return this.socket.readyState;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  close(): void {
    this.socket.close();
  }

  private came(event: MessageEvent): void {
    if (typeof event.data !== "string") {
      if (this.hear) this.hear(event);
      else this.early.push(event);
      return;
    }
    const said = readTold(event.data);
    if (said?.event === "closed") this.last = said;
    if (said) this.hearer.told(said);
  }
}
