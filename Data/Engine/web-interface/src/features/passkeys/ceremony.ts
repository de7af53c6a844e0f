import type { PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/browser";
import { api, take, type Schemas } from "@/api/client";
import { ApiError, PageError, Unreachable } from "@/api/errors";
import { obstacle } from "./obstacle";

/** The library comes when a passkey is made or used, and not before. */
const library = () => import("@simplewebauthn/browser");

/** Options and answers are WebAuthn's own JSON, which the Engine's document describes as any object. */
type AnyObject = Record<string, never>;

function refuseWherePointless(): void {
  const reason = obstacle();
  if (reason !== null) throw new PageError("passkeys_unavailable", reason);
}

/** Ask the Engine for options, have the browser make a passkey, hand it over. */
export async function makePasskey(name: string, password: string): Promise<Schemas["PasskeyView"]> {
  refuseWherePointless();
  const [{ startRegistration }, { publicKey }] = await Promise.all([
    library(),
    take(api.POST("/api/auth/passkeys/register/options", { body: { password } })),
  ]);
  const optionsJSON = publicKey as unknown as PublicKeyCredentialCreationOptionsJSON;
  const credential = await startRegistration({ optionsJSON }).catch((error: unknown) => {
    throw explained(error, optionsJSON.rp.id);
  });
  return take(
    api.POST("/api/auth/passkeys/register/verify", { body: { name, credential: credential as unknown as AnyObject } }),
  );
}

/** Sign in with whichever passkey the browser offers; the Engine learns from it who it is. */
export async function signInWithPasskey(): Promise<Schemas["SignedInAnswer"]> {
  refuseWherePointless();
  const [{ startAuthentication }, { publicKey }] = await Promise.all([
    library(),
    take(api.POST("/api/auth/passkeys/authenticate/options")),
  ]);
  const optionsJSON = publicKey as unknown as PublicKeyCredentialRequestOptionsJSON;
  const credential = await startAuthentication({ optionsJSON }).catch((error: unknown) => {
    throw explained(error, optionsJSON.rpId);
  });
  return take(
    api.POST("/api/auth/passkeys/authenticate/verify", { body: { credential: credential as unknown as AnyObject } }),
  );
}

/** What a browser means by refusing. `name`: the host that the Engine's passkeys belong to. */
export function explained(error: unknown, name = "another name"): Error {
  if (error instanceof PageError || error instanceof ApiError || error instanceof Unreachable) return error;
  const names = [error, error instanceof Error ? error.cause : undefined].map((one) =>
    one instanceof Error || one instanceof DOMException ? one.name : "",
  );
  const is = (...wanted: string[]) => wanted.some((one) => names.includes(one));
  if (is("NotAllowedError", "AbortError", "TimeoutError")) {
    return new PageError(
      "passkey_not_given",
      "The browser gave no passkey: none was chosen, there is none for this Engine, or it took too long. Try again.",
      error,
    );
  }
  if (is("SecurityError")) {
    return new PageError(
      "passkey_other_name",
      `The passkeys of this Engine belong to ${name}. Open the page by that name.`,
      error,
    );
  }
  if (is("InvalidStateError")) {
    return new PageError("passkey_exists_here", "There is a passkey of yours on this authenticator already.", error);
  }
  if (is("ConstraintError", "NotSupportedError")) {
    return new PageError(
      "passkey_not_possible",
      "This authenticator can keep no passkey that asks for you by a PIN, a finger or your face. Use another one.",
      error,
    );
  }
  return new PageError("passkey_failed", error instanceof Error ? error.message : String(error), error);
}
