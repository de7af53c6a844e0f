import { ApiError, describe } from "@/api/errors";
import { live } from "@/live/socket";
import { closeShell, openShell, resizeShell, typeInto, type Closed, type Output } from "./protocol";
import { makeScreen, openScreen, paint, type Scheme, type Screen } from "./terminal";
import { Typist } from "./typing";

export type ShellState = "opening" | "open" | "away" | "over";

const NEW = -1;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5000;
/** Somewhat longer than a device keeps a shell that nobody is connected to. */
const GIVE_UP_MS = 330_000;

/** One shell: its terminal, and the way to it. Outlives the page part that shows it. */
export class ShellSession {
  readonly screen: Screen;
  state: ShellState = "opening";
  /** What there is to say about the state. */
  message = "";
  error: unknown = null;
  account = "";
  shell = "";
  recorded = false;
  /** Bytes of output that are on the screen; NEW before the shell was begun. */
  private seen: number;
  private attached = false;
  private readonly typist: Typist;
  private readonly unlisten: (() => void)[];
  private retry: ReturnType<typeof setTimeout> | undefined;
  private retryMs = FIRST_RETRY_MS;
  private lostAt = 0;
  private attempt = 0;
  private gone = false;

  constructor(
    readonly guid: string,
    readonly id: string,
    readonly user: string,
    readonly number: number,
    scheme: Scheme,
    begun: boolean,
    private readonly changed: () => void,
  ) {
    this.seen = begun ? 0 : NEW;
    this.screen = makeScreen(scheme);
    this.typist = new Typist((data) => typeInto(id, data));
    const { terminal } = this.screen;
    terminal.onData((data) => {
      if (this.state === "open") this.typist.type(data);
    });
    terminal.onBinary((data) => {
      if (this.state === "open") this.typist.type(data);
    });
    terminal.onResize(({ cols, rows }) => {
      if (this.state === "open") void resizeShell(id, cols, rows).catch(() => undefined);
    });
    terminal.attachCustomKeyEventHandler((event) => this.onKey(event));
    this.unlisten = [
      live.on("vpn_shell_output", (told: Output, taken?: () => void) => {
        if (told.session_id === id) this.print(told, taken);
      }),
      live.on("vpn_shell_closed", (told: Closed) => {
        if (told.session_id === id) this.closed(told);
      }),
      live.onState((state) => {
        if (state === "live" && this.state === "away") this.again(0);
        else if (state === "away" && this.state === "open") this.lose("The Engine does not answer. The shell goes on without you.");
      }),
    ];
  }

  /** Show it in a part of the page. The first time the shell is opened, at the size that there is. */
  attach(parent: HTMLElement): void {
    parent.append(this.screen.element);
    if (!this.attached) {
      this.attached = true;
      openScreen(this.screen);
      this.fit();
      void this.open();
    } else {
      this.fit();
    }
  }

  detach(): void {
    this.screen.element.remove();
  }

  fit(): void {
    if (this.screen.element.isConnected && this.screen.element.clientWidth > 0) this.screen.fit.fit();
  }

  paint(scheme: Scheme): void {
    paint(this.screen, scheme);
  }

  focus(): void {
    this.screen.terminal.focus();
  }

  /** End the shell, and everything of it here. */
  close(): void {
    if (this.state !== "over") void closeShell(this.id).catch(() => undefined);
    this.dispose();
  }

  async copy(): Promise<void> {
    await navigator.clipboard.writeText(this.screen.terminal.getSelection());
  }

  async paste(): Promise<void> {
    this.screen.terminal.paste(await navigator.clipboard.readText());
    this.focus();
  }

  dispose(): void {
    this.gone = true;
    clearTimeout(this.retry);
    for (const end of this.unlisten) end();
    this.screen.element.remove();
    this.screen.terminal.dispose();
  }

  private async open(): Promise<void> {
    const attempt = ++this.attempt;
    const { cols, rows } = this.screen.terminal;
    const isNew = this.seen === NEW;
    try {
      const opened = await openShell({
        agent_id: this.guid,
        session_id: this.id,
        cols,
        rows,
        user: this.user,
        seen: this.seen,
      });
      if (this.gone || attempt !== this.attempt) return;
      if (this.seen === NEW) this.seen = 0;
      this.account = opened.user;
      this.shell = opened.shell;
      this.recorded = opened.recorded;
      this.retryMs = FIRST_RETRY_MS;
      this.lostAt = 0;
      this.become("open");
      const now = this.screen.terminal;
      if (now.cols !== cols || now.rows !== rows) void resizeShell(this.id, now.cols, now.rows).catch(() => undefined);
    } catch (problem) {
      if (this.gone || attempt !== this.attempt) return;
      const isOver = problem instanceof ApiError && problem.code !== "shell_connect_failed" && problem.code !== "not_connected";
      if (isNew || isOver) this.end(describe(problem).sentence, isNew ? problem : null);
      else this.lose(describe(problem).sentence);
    }
  }

  private print(told: Output, taken?: () => void): void {
    if (this.seen === NEW) this.seen = 0;
    this.seen = told.seq;
    this.screen.terminal.write(told.data, taken);
  }

  private closed(told: Closed): void {
    if (told.lost) this.lose(told.reason);
    else this.end(told.reason || `The shell ended with status ${told.status ?? 0}.`, null);
  }

  private lose(reason: string): void {
    if (this.state === "over" || this.gone) return;
    this.typist.forget();
    this.attempt += 1;
    this.lostAt ||= Date.now();
    if (Date.now() - this.lostAt > GIVE_UP_MS) {
      this.end(reason, null);
      return;
    }
    this.become("away", reason);
    this.again(this.retryMs);
    this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
  }

  private again(milliseconds: number): void {
    clearTimeout(this.retry);
    // Without a socket nothing can be asked; its return asks again.
    this.retry = setTimeout(() => {
      if (live.current === "live" && this.state === "away") void this.open();
    }, milliseconds);
  }

  private end(reason: string, error: unknown): void {
    this.typist.forget();
    clearTimeout(this.retry);
    this.error = error;
    this.screen.terminal.options.disableStdin = true;
    this.become("over", reason);
  }

  private onKey(event: KeyboardEvent): boolean {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
    if (event.code === "KeyC" && this.screen.terminal.hasSelection()) {
      event.preventDefault();
      void this.copy();
      return false;
    }
    // A way out for who works by keyboard: Tab belongs to the shell.
    if (event.code === "KeyE") {
      event.preventDefault();
      this.screen.terminal.blur();
      document.getElementById(`shell-tab-${this.id}`)?.focus();
      return false;
    }
    return event.code !== "KeyV"; // the browser pastes
  }

  private become(state: ShellState, message = ""): void {
    this.state = state;
    this.message = message;
    this.changed();
  }
}
