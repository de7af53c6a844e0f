import type { Schemas } from "@/api/client";

/** How a playbook is run, while it is composed; pure. Tags are written as one text, parted by commas. */
export interface PlaybookDraft {
  check: boolean;
  diff: boolean;
  tags: string;
  skipTags: string;
  limit: string;
  vaultPassword: string;
  /** Number of a stored credential for machines without an agent; empty: each machine's own. */
  credential: string;
}

export const ANSIBLE = "ansible";
export const NO_OPTIONS: PlaybookDraft = { check: false, diff: false, tags: "", skipTags: "", limit: "", vaultPassword: "", credential: "" };

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter(Boolean);
}

/** What the Engine is asked besides the script. */
export function playbookRequest(draft: PlaybookDraft): Pick<Schemas["LaunchRequest"], "playbook" | "vault_password" | "credential_id"> {
  return {
    playbook: { check: draft.check, diff: draft.diff, tags: listOf(draft.tags), skip_tags: listOf(draft.skipTags), limit: draft.limit.trim() },
    vault_password: draft.vaultPassword,
    credential_id: draft.credential ? Number(draft.credential) : null,
  };
}

/** The options of a job, to be changed and run again. Its vault password is kept nowhere, so it is asked for again. */
export function playbookOfJob(options: Schemas["PlaybookRequest"] | null): PlaybookDraft {
  if (!options) return NO_OPTIONS;
  return {
    check: options.check,
    diff: options.diff,
    tags: options.tags.join(", "),
    skipTags: options.skip_tags.join(", "),
    limit: options.limit,
    vaultPassword: "",
    credential: "",
  };
}

/** The options in words, for those who read what was asked. */
export function optionsInWords(options: Schemas["PlaybookRequest"]): string {
  const words = [
    options.check ? "check only, nothing is changed" : "",
    options.diff ? "differences shown" : "",
    options.tags.length > 0 ? `only tags ${options.tags.join(", ")}` : "",
    options.skip_tags.length > 0 ? `without tags ${options.skip_tags.join(", ")}` : "",
    options.limit ? `limited to ${options.limit}` : "",
  ].filter(Boolean);
  return words.length > 0 ? words.join("; ") : "all of it";
}
