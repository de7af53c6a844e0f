import { ApiError } from "@/api/errors";

/** SHA-256 as people compare it. */
const FINGERPRINT = /(?:[0-9a-f]{2}:){31}[0-9a-f]{2}/g;

/** The certificate that a device shows now, where it is another than the one it is known by; empty otherwise. */
export function changedTo(problem: unknown): string {
  if (!(problem instanceof ApiError) || problem.code !== "rdp_certificate_changed") return "";
  return problem.message.match(FINGERPRINT)?.at(-1) ?? "";
}
