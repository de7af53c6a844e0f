import { readEntries, readFiles, readVariables, typedValue, variableProblem, type Entry, type FilePart, type Variable } from "@/features/scripts/parts";
import type { Schemas } from "@/api/client";
import { ANSIBLE, NO_OPTIONS, playbookOfJob, playbookRequest, type PlaybookDraft } from "./playbook";
import type { Job, JobContent } from "./queries";

/** What is to be run, while it is composed; pure. */
export interface Draft {
  name: string;
  type: string;
  script: string;
  context: "system" | "interactive";
  /** Which signed-in user; empty for any. */
  user: string;
  variables: Variable[];
  environment: Entry[];
  files: FilePart[];
  timeout: number;
  expires: number;
  playbook: PlaybookDraft;
}

export const HOUR = 3600;
export const EMPTY: Draft = {
  name: "",
  type: "bash",
  script: "",
  context: "system",
  user: "",
  variables: [],
  environment: [],
  files: [],
  timeout: HOUR,
  expires: 24 * HOUR,
  playbook: NO_OPTIONS,
};

export const TIMEOUTS: readonly { value: string; label: string }[] = [
  { value: "60", label: "1 minute" },
  { value: "300", label: "5 minutes" },
  { value: "900", label: "15 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "14400", label: "4 hours" },
  { value: "86400", label: "24 hours" },
];
export const EXPIRIES: readonly { value: string; label: string }[] = [
  { value: "300", label: "5 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
  { value: "2592000", label: "30 days" },
];

/** A job as a draft, to be changed and run again. `user`: whom its runs named. */
export function draftOfJob(job: Job, content: JobContent, user: string): Draft {
  return {
    name: job.script_name,
    type: job.script_type,
    script: content.script,
    context: job.context === "interactive" ? "interactive" : "system",
    user,
    variables: readVariables(content.variables),
    environment: readEntries(content.environment),
    files: readFiles(content.files),
    timeout: job.timeout_seconds,
    expires: Math.max(60, Math.round(job.expires_at - job.created_at)),
    playbook: playbookOfJob(content.playbook),
  };
}

/** What stands in the way of a start; nothing where it can go. `stored`: the script is one of the library. */
export function problemOf(draft: Draft, targets: number, stored: boolean): string | null {
  if (!stored && draft.script.trim() === "") return "Write a script, or choose one from the library.";
  for (const variable of draft.variables) {
    const problem = variableProblem(variable, draft.variables);
    if (problem) return `${variable.name || "A variable"}: ${problem}`;
    if (variable.type === "credential") return `${variable.name}: the Engine does not hand out credentials to scripts yet.`;
    if (variable.required && variable.value === "") return `${variable.label || variable.name}: it needs a value.`;
  }
  const names = draft.environment.map((entry) => entry.name);
  if (names.some((name) => name === "" || name.includes("="))) return "An environment entry has a name without '='.";
  if (new Set(names).size !== names.length) return "An environment entry is there twice.";
  if (targets === 0) return "Choose at least one device.";
  return null;
}

/** The request that starts it. */
export function requestOf(
  draft: Draft,
  guids: readonly string[],
  stored: { guid: string; version: number } | null,
): Schemas["LaunchRequest"] {
  const values = Object.fromEntries(draft.variables.map((one) => [one.name, typedValue(one) ?? null]));
  const base = {
    guids: [...guids],
    context: draft.type === ANSIBLE ? "system" : draft.context,
    ...(draft.type !== ANSIBLE && draft.context === "interactive" && draft.user.trim() ? { run_as_user: draft.user.trim() } : {}),
    ...(draft.type === ANSIBLE ? playbookRequest(draft.playbook) : {}),
    environment: Object.fromEntries(draft.environment.map((entry) => [entry.name, entry.value])),
    timeout_seconds: draft.timeout,
    expires_in_seconds: draft.expires,
  };
  const own = stored
    ? { assembly_guid: stored.guid, assembly_version: stored.version, variable_values: values }
    : {
        script_content: draft.script,
        script_type: draft.type,
        script_name: draft.name.trim(),
        variables: draft.variables.map((one) => ({ name: one.name, type: one.type, value: typedValue(one) ?? null })),
        files: draft.files,
      };
  // What is left out is what the Engine assumes.
  return { ...base, ...own } as unknown as Schemas["LaunchRequest"];
}
