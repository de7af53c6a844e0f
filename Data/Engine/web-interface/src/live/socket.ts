import { io, type Socket } from "socket.io-client";
import { Unreachable } from "@/api/errors";

/** One socket for the page. The cookie says who we are; the Engine checks the origin and what we may hear. */

export type LiveState = "connecting" | "live" | "away";

type Listener = (data: never, ...more: never[]) => void;
type StateListener = (state: LiveState) => void;

class Live {
  private socket: Socket | undefined;
  private state: LiveState = "connecting";
  private since = Date.now();
  private readonly stateListeners = new Set<StateListener>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly watched = new Map<string, number>();

  get current(): LiveState {
    return this.state;
  }

  /** Unix milliseconds of the last change of state. */
  get changedAt(): number {
    return this.since;
  }

  start(): void {
    if (this.socket) return;
    const socket = io({ transports: ["websocket"], reconnectionDelay: 500, reconnectionDelayMax: 5000 });
    this.socket = socket;
    socket.on("connect", () => {
      for (const runId of this.watched.keys()) socket.emit("watch_run", { run_id: runId });
      this.become("live");
    });
    socket.on("connect_error", () => this.become("away"));
    socket.on("disconnect", (reason) => {
      if (this.socket !== socket) return;
      this.become("away");
      // The server closes a socket whose rights changed; the client library leaves the return to us.
      if (reason === "io server disconnect") setTimeout(() => this.socket === socket && socket.connect(), 1000);
    });
    // Listeners outlive sockets: a page may listen before anybody is connected.
    socket.onAny((event: string, data: unknown, ...more: unknown[]) => {
      for (const tell of this.listeners.get(event) ?? []) tell(data as never, ...(more as never[]));
    });
  }

  stop(): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.disconnect();
    this.become("connecting");
  }

  onState(listener: StateListener): () => void {
    this.stateListeners.add(listener);
    return () => {
      this.stateListeners.delete(listener);
    };
  }

  on(event: string, listener: Listener): () => void {
    const known = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, known.add(listener));
    return () => {
      known.delete(listener);
    };
  }

  /** Send an event and give the Engine's acknowledgement; rejects where there is no socket, or no answer in time. */
  async call(event: string, payload: unknown, milliseconds = 20_000): Promise<unknown> {
    if (!this.socket?.connected) throw new Unreachable("no_socket");
    try {
      return await this.socket.timeout(milliseconds).emitWithAck(event, payload);
    } catch {
      throw new Unreachable("no_answer");
    }
  }

  /** Ask for the live output of a run until the returned function is called. */
  watch(runId: string): () => void {
    const count = this.watched.get(runId) ?? 0;
    this.watched.set(runId, count + 1);
    if (count === 0 && this.state === "live") this.socket?.emit("watch_run", { run_id: runId });
    return () => {
      const left = (this.watched.get(runId) ?? 1) - 1;
      if (left > 0) {
        this.watched.set(runId, left);
        return;
      }
      this.watched.delete(runId);
      this.socket?.emit("unwatch_run", { run_id: runId });
    };
  }

  private become(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    this.since = Date.now();
    for (const tell of this.stateListeners) tell(state);
  }
}

export const live = new Live();
