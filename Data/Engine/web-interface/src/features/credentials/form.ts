import type { Schemas } from "@/api/client";

/** A credential while it is typed; pure. Nothing of it is kept when the dialog closes. */
export interface SecretDraft {
  username: string;
  by: "key" | "password";
  key: string;
  passphrase: string;
  password: string;
  transport: "ntlm" | "basic";
  become: "" | "sudo" | "su" | "doas" | "runas";
  becomeUser: string;
  becomePassword: string;
}

export type CredentialKind = "ssh" | "windows";

export const NO_SECRET: SecretDraft = {
  username: "",
  by: "key",
  key: "",
  passphrase: "",
  password: "",
  transport: "ntlm",
  become: "",
  becomeUser: "",
  becomePassword: "",
};

/** What is sent, and nothing that was typed and then turned out not to be meant. */
export function secretOf(kind: CredentialKind, draft: SecretDraft): Schemas["SecretGiven"] {
  const byKey = kind === "ssh" && draft.by === "key";
  const become = draft.become
    ? { method: draft.become, username: draft.becomeUser.trim(), password: draft.becomePassword }
    : null;
  return {
    username: draft.username.trim(),
    password: byKey ? "" : draft.password,
    private_key: byKey ? draft.key : "",
    passphrase: byKey ? draft.passphrase : "",
    transport: kind === "windows" ? draft.transport : "",
    become,
  };
}

/** Whether there is enough to be sent. */
export function isWhole(kind: CredentialKind, draft: SecretDraft): boolean {
  const byKey = kind === "ssh" && draft.by === "key";
  return draft.username.trim() !== "" && (byKey ? draft.key.trim() !== "" : draft.password !== "");
}
