import { ApiError } from "@/api/errors";
import { live } from "@/live/socket";

export interface Opened {
  session_id: string;
  user: string;
  shell: string;
  recorded: boolean;
}

/** `vpn_shell_output`: `seq` counts the bytes of all output up to the end of `data`. */
export interface Output {
  session_id: string;
  data: string;
  seq: number;
}

/** `vpn_shell_closed`. With `lost` the shell may be there still. */
export interface Closed {
  session_id: string;
  reason: string;
  status: number | null;
  lost: boolean;
}

interface Refusal {
  error?: string;
  detail?: string;
}

/** The device may have to bring its tunnel up first. */
const OPEN_MS = 60_000;

async function call<Answer>(event: string, payload: unknown, milliseconds?: number): Promise<Answer> {
  const answer = (await live.call(event, payload, milliseconds)) as Answer & Refusal & { status?: string };
  if (answer.status !== "ok") {
    throw new ApiError(409, answer.error ?? "unexpected_answer", answer.detail ?? "The Engine gave no reason.");
  }
  return answer;
}

export const openShell = (asked: {
  agent_id: string;
  session_id: string;
  cols: number;
  rows: number;
  user: string;
  seen: number;
}) => call<Opened>("vpn_shell_open", asked, OPEN_MS);

export const typeInto = (session_id: string, data: string) => call<unknown>("vpn_shell_send", { session_id, data });

export const resizeShell = (session_id: string, cols: number, rows: number) =>
  call<unknown>("vpn_shell_resize", { session_id, cols, rows });

export const closeShell = (session_id: string) => call<unknown>("vpn_shell_close", { session_id });
