import type RFB from "@novnc/novnc";
import type { RawChannel } from "@novnc/novnc";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, Unreachable } from "@/api/errors";
import { CHORDS } from "./keys";
import { DesktopSession } from "./session";
import type { Ticket } from "./stream";

class FakeSocket extends EventTarget {
  binaryType = "blob";
  protocol = "";
  readyState = 1;
  send(): void {
    // nobody listens
  }
  close(): void {
    this.readyState = 3;
  }
  say(told: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(told) }));
  }
  end(): void {
    this.readyState = 3;
    this.dispatchEvent(new CloseEvent("close"));
  }
}

class FakeRfb extends EventTarget {
  static made: FakeRfb[] = [];
  viewOnly = false;
  scaleViewport = false;
  resizeSession = false;
  sent: [number, string | null, boolean | undefined][] = [];
  released: string[] = [];
  pasted: string[] = [];
  over = false;
  readonly canvas = document.createElement("canvas");
  constructor(
    place: HTMLElement,
    readonly channel: RawChannel,
  ) {
    super();
    FakeRfb.made.push(this);
    place.append(this.canvas);
    this.canvas.addEventListener("keyup", (event) => this.released.push(event.code));
  }
  focus(): void {
    this.canvas.focus();
  }
  disconnect(): void {
    this.over = true;
  }
  sendKey(keysym: number, code: string | null, down?: boolean): void {
    this.sent.push([keysym, code, down]);
  }
  clipboardPasteFrom(text: string): void {
    this.pasted.push(text);
  }
  tell(name: string, detail: unknown = {}): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const TICKET: Ticket = { path: "/api/desktop/stream", token: "t" };
const started: (() => void)[] = [];

/** A session in the page whose sockets and pictures are fakes. */
function begin(start: () => Promise<Ticket> = () => Promise.resolve(TICKET)) {
  FakeRfb.made = [];
  const sockets: FakeSocket[] = [];
  const session = new DesktopSession(
    {},
    {
      loadRfb: () => Promise.resolve(FakeRfb as unknown as typeof RFB),
      connect: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket as unknown as WebSocket;
      },
    },
  );
  const place = document.createElement("div");
  const out = document.createElement("button");
  document.body.append(place, out);
  started.push(
    session.attach(place, () => out.focus()),
    () => document.body.replaceChildren(),
  );
  session.call("The desktop of pc-7");
  session.begin(start);
  const socket = async (): Promise<FakeSocket> => {
    await vi.waitFor(() => expect(sockets.length).toBeGreaterThan(0));
    return sockets.at(-1) as FakeSocket;
  };
  const shown = async (): Promise<FakeRfb> => {
    (await socket()).say({ event: "opened" });
    const rfb = FakeRfb.made.at(-1) as FakeRfb;
    rfb.tell("connect");
    return rfb;
  };
  return { session, place, out, sockets, socket, shown };
}

describe("a desktop in the page", () => {
  beforeEach(() => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
  });
  afterEach(() => {
    for (const end of started.splice(0)) end();
    vi.useRealTimers();
  });

  it("waits for a person, opens, and is on", async () => {
    const { session, socket } = begin();
    const wire = await socket();
    wire.say({ event: "wait", seconds: 30, why: "ada is asked" });
    expect(session.state).toBe("waiting");
    expect(session.waiting?.why).toBe("ada is asked");
    expect(FakeRfb.made).toEqual([]);
    wire.say({ event: "opened", user: "ada" });
    expect(session.told["user"]).toBe("ada");
    const [rfb] = FakeRfb.made;
    rfb?.tell("connect");
    expect(session.state).toBe("on");
    expect(rfb?.canvas.getAttribute("aria-label")).toBe("The desktop of pc-7");
    expect(document.activeElement).toBe(rfb?.canvas);
  });

  it("shows why the Engine refused", async () => {
    const { session, socket } = begin();
    const wire = await socket();
    wire.say({ event: "closed", error: "desktop_refused", detail: "ada said no." });
    wire.end();
    expect(session.state).toBe("over");
    expect(session.error).toBeInstanceOf(ApiError);
    expect(session.message).toBe("ada said no.");
  });

  it("is not opened without a ticket", async () => {
    const { session } = begin(() => Promise.reject(new ApiError(409, "not_connected", "The device is not connected.")));
    await vi.waitFor(() => expect(session.state).toBe("over"));
    expect(session.message).toBe("The device is not connected.");
  });

  it("comes back after a loss with a ticket of its own, not after an end", async () => {
    let tickets = 0;
    const { session, sockets, socket, shown } = begin(() => {
      tickets += 1;
      return tickets === 2 ? Promise.reject(new Unreachable(null)) : Promise.resolve(TICKET);
    });
    await shown();
    (await socket()).end();
    expect(session.state).toBe("lost");
    await vi.advanceTimersByTimeAsync(1000);
    expect(tickets).toBe(2);
    await vi.advanceTimersByTimeAsync(2000);
    expect([tickets, sockets.length]).toEqual([3, 2]);
    await shown();
    expect(session.state).toBe("on");
    session.end();
    expect([session.state, FakeRfb.made.at(-1)?.over]).toEqual(["over", true]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tickets).toBe(3);
  });

  it("presses keys together and lets them go the other way round", async () => {
    const { session, shown } = begin();
    const rfb = await shown();
    const [ctrlAltDel] = CHORDS;
    if (ctrlAltDel) session.send(ctrlAltDel);
    expect(rfb.sent.map(([, code, down]) => `${code} ${down}`)).toEqual([
      "ControlLeft true",
      "AltLeft true",
      "Delete true",
      "Delete false",
      "AltLeft false",
      "ControlLeft false",
    ]);
  });

  it("is left by keyboard, and no key stays down there", async () => {
    const { out, shown } = begin();
    const rfb = await shown();
    for (const [key, code] of [
      ["Control", "ControlLeft"],
      ["Shift", "ShiftLeft"],
      ["E", "KeyE"],
    ])
      rfb.canvas.dispatchEvent(
        new KeyboardEvent("keydown", { key, code, ctrlKey: true, shiftKey: true, bubbles: true } as KeyboardEventInit),
      );
    expect(document.activeElement).toBe(out);
    expect(rfb.released).toEqual(["ControlLeft", "ShiftLeft"]);
  });

  it("only looks where only looking is allowed, whatever is wished", async () => {
    const { session, shown } = begin(() => Promise.resolve({ ...TICKET, viewOnly: true }));
    const rfb = await shown();
    expect(rfb.viewOnly).toBe(true);
    session.wish({ viewOnly: false });
    expect([session.isViewOnly, rfb.viewOnly, rfb.canvas.getAttribute("role")]).toEqual([true, true, "img"]);
    let heard = 0;
    const hear = () => (heard += 1);
    document.addEventListener("keydown", hear);
    for (const code of ["KeyR", "Tab"]) rfb.canvas.dispatchEvent(new KeyboardEvent("keydown", { code, bubbles: true }));
    document.removeEventListener("keydown", hear);
    expect(heard).toBe(1);
  });

  it("hears and fills the desktop's clipboard", async () => {
    const { session, shown } = begin();
    const rfb = await shown();
    rfb.tell("clipboard", { text: "from there" });
    expect(session.clipboard).toBe("from there");
    session.paste("from here");
    expect([session.clipboard, rfb.pasted]).toEqual(["from here", ["from here"]]);
  });

  it("says so where no picture comes", async () => {
    const { session, socket } = begin();
    (await socket()).say({ event: "opened" });
    const [rfb] = FakeRfb.made;
    rfb?.tell("securityfailure", { status: 1, reason: "Too many." });
    rfb?.tell("disconnect", { clean: false });
    expect(session.message).toBe("The desktop's server let nobody in. Too many.");
  });
});
