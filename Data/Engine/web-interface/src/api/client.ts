import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, Unreachable } from "./errors";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** The value that unsafe requests repeat; it lives in memory only and comes with each sign-in and `me`. */
let csrf = "";
let onSignedOut: () => void = () => undefined;
const onForbidden = new Set<() => void>();

export function rememberCsrf(value: string): void {
  csrf = value;
}

/** What requests repeat that are not made by `api`: those whose progress is watched. */
export function csrfNow(): string {
  return csrf;
}

/** Called when the Engine no longer knows the session. */
export function whenSignedOut(tell: () => void): void {
  onSignedOut = tell;
}

/** Call `tell` when the Engine refuses something for want of rights, until the returned function is called. */
export function whenForbidden(tell: () => void): () => void {
  onForbidden.add(tell);
  return () => {
    onForbidden.delete(tell);
  };
}

const guard: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET" && csrf) request.headers.set("X-Borealis-CSRF", csrf);
    return request;
  },
  onError({ error }) {
    return new Unreachable(error);
  },
};

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });
api.use(guard);

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The data of an answer, or the Engine's error as an exception. */
export async function take<Data>(pending: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await pending;
  if (response.ok) return data as Data;
  const body = (typeof error === "object" && error !== null ? error : {}) as {
    error?: unknown;
    detail?: unknown;
    retry_after?: unknown;
  };
  const code = typeof body.error === "string" ? body.error : "unexpected_answer";
  const detail =
    typeof body.detail === "string" ? body.detail : `The Engine answered ${response.status} without a reason.`;
  if (response.status === 401 && code === "unauthorized") onSignedOut();
  if (response.status === 403 && code === "forbidden") for (const tell of onForbidden) tell();
  if (response.status === 502 || response.status === 504) throw new Unreachable(code);
  throw new ApiError(
    response.status,
    code,
    detail,
    typeof body.retry_after === "number" ? body.retry_after : undefined,
  );
}
