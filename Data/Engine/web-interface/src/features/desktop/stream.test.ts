import { describe, expect, it } from "vitest";
import { readTold, StreamChannel, streamUrl, type Told } from "./stream";

class FakeSocket extends EventTarget {
  binaryType = "blob";
  protocol = "";
  readyState = 1;
  sent: unknown[] = [];
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(): void {
    this.readyState = 3;
    this.dispatchEvent(new CloseEvent("close", { code: 1000 }));
  }
  come(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

function open() {
  const socket = new FakeSocket();
  const told: Told[] = [];
  const ends: (Told | null)[] = [];
  const channel = new StreamChannel(socket as unknown as WebSocket, {
    told: (said) => told.push(said),
    ended: (said) => ends.push(said),
  });
  return { socket, channel, told, ends };
}

describe("a stream", () => {
  it("is opened at the Engine that the page is from, with its token", () => {
    const ticket = { path: "/api/desktop/stream", token: "a b+c" };
    expect(streamUrl(ticket, "https://engine:5000/devices/X?a=b")).toBe("wss://engine:5000/api/desktop/stream?token=a+b%2Bc");
  });

  it("says what is known here, and nothing else", () => {
    expect(readTold('{"event":"wait","seconds":30,"why":"Ada is asked"}')).toEqual({
      event: "wait",
      seconds: 30,
      why: "Ada is asked",
    });
    expect(readTold('{"event":"closed","error":"desktop_refused","detail":"No."}')).toEqual({
      event: "closed",
      error: "desktop_refused",
      detail: "No.",
    });
    for (const strange of ["", "[]", "null", "{", '{"event":"else"}', "7"]) expect(readTold(strange)).toBeNull();
  });

  it("keeps bytes that come before anybody reads, in their order", () => {
    const { socket, channel, told } = open();
    socket.come('{"event":"opened","user":"ada"}');
    const [one, two, three] = [new ArrayBuffer(1), new ArrayBuffer(2), new ArrayBuffer(3)];
    socket.come(one);
    socket.come(two);
    const read: unknown[] = [];
    channel.onmessage = (event) => read.push(event.data);
    socket.come(three);
    expect(read).toEqual([one, two, three]);
    expect(told).toEqual([{ event: "opened", more: { event: "opened", user: "ada" } }]);
    expect(socket.binaryType).toBe("arraybuffer");
  });

  it("ends with the Engine's words, or with none", () => {
    const first = open();
    first.socket.come('{"event":"closed","error":"desktop_ended","detail":"Somebody ended it."}');
    first.socket.close();
    expect(first.ends).toEqual([{ event: "closed", error: "desktop_ended", detail: "Somebody ended it." }]);
    const second = open();
    second.socket.close();
    expect(second.ends).toEqual([null]);
  });
});
