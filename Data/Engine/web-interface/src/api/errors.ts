/** What went wrong, in the Engine's own words: a code for programs, a sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfter?: number,
  ) {
    super(`${code}: ${detail}`);
    this.name = "ApiError";
  }
}

/** The Engine did not answer at all. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("The Engine does not answer.", { cause });
    this.name = "Unreachable";
  }
}

/** What the page or the browser could not do, with a code of the page's own. */
export class PageError extends Error {
  constructor(
    readonly code: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = "PageError";
  }
}

interface Described {
  code: string;
  sentence: string;
}

/** Any failure as a code and a sentence. */
export function describe(error: unknown): Described {
  if (error instanceof ApiError) return { code: `${error.code} (${error.status})`, sentence: error.detail };
  if (error instanceof Unreachable)
    return { code: "unreachable", sentence: "The Engine does not answer. The page goes on by itself when it is back." };
  if (error instanceof PageError) return { code: error.code, sentence: error.message };
  return { code: "page_error", sentence: error instanceof Error ? error.message : String(error) };
}
