/** Most characters in one message; the Engine takes no more. */
const PIECE = 16_000;

/**
 * Sends what is typed in its order, one message at a time: what comes meanwhile goes together with the next one. So a
 * slow line gets few messages, and keys never overtake each other.
 */
export class Typist {
  private waiting = "";
  private busy = false;

  constructor(private readonly send: (data: string) => Promise<unknown>) {}

  type(data: string): void {
    this.waiting += data;
    if (!this.busy) void this.go();
  }

  /** What was typed for a shell that is not there any more reaches no other. */
  forget(): void {
    this.waiting = "";
  }

  private async go(): Promise<void> {
    this.busy = true;
    try {
      while (this.waiting) {
        const end = cut(this.waiting, PIECE);
        const piece = this.waiting.slice(0, end);
        this.waiting = this.waiting.slice(end);
        await this.send(piece);
      }
    } catch {
      this.forget(); // the shell says itself that it is not there
    } finally {
      this.busy = false;
    }
  }
}

/** Where to cut a text so that no character is cut in two. */
export function cut(text: string, most: number): number {
  if (text.length <= most) return text.length;
  const code = text.charCodeAt(most - 1);
  return code >= 0xd800 && code <= 0xdbff ? most - 1 : most;
}
