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

interface Described {
  code: string;
  sentence: string;
}

/** Any failure as a code and a sentence. */
export function describe(error: unknown): Described {
  if (error instanceof ApiError) return { code: `${error.code} (${error.status})`, sentence: error.detail };
  if (error instanceof Unreachable)
    return { code: "unreachable", sentence: "The Engine does not answer. The page goes on by itself when it is back." };
  return { code: "page_error", sentence: error instanceof Error ? error.message : String(error) };
}
