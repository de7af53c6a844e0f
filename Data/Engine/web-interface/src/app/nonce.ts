import { setNonce } from "get-nonce";

/** The nonce of this page's style elements. The Engine gives another one with each page; its policy names it. */
const nonce = document.querySelector('meta[name="csp-nonce"]')?.getAttribute("content") ?? "";

/** For the libraries that make style elements without Mantine (scroll locks of dialogs). */
export function spreadNonce(): void {
  if (nonce) setNonce(nonce);
}

export function styleNonce(): string {
  return nonce;
}
