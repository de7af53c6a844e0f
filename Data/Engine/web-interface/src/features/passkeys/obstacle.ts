/** An address by number, as browsers write it in `location.hostname`. */
const BY_NUMBER = /^\d{1,3}(\.\d{1,3}){3}$|^\[[0-9a-f:.]+\]$/i;

interface Place {
  hostname: string;
  isSecureContext: boolean;
  /** The browser's part of WebAuthn. */
  PublicKeyCredential?: unknown;
}

const here = (): Place => ({
  hostname: window.location.hostname,
  isSecureContext: window.isSecureContext,
  PublicKeyCredential: "PublicKeyCredential" in window ? window.PublicKeyCredential : undefined,
});

/** Why there can be no passkeys here, as a sentence; null where there can. */
export function obstacle(place: Place = here()): string | null {
  if (BY_NUMBER.test(place.hostname)) {
    return `Passkeys belong to a name, and this page was opened by the address ${place.hostname}. Open it by the Engine's name.`;
  }
  if (!place.isSecureContext) return "Passkeys need a secure connection (https).";
  if (typeof place.PublicKeyCredential !== "function") return "This browser has no passkeys.";
  return null;
}
