import { readFiles, readVariables, typedValue, valueText, variableProblem, type FilePart, type Variable } from "./parts";
import type { Schemas } from "@/api/client";

/** A script of the library while it is edited; pure. */
export interface Form {
  name: string;
  summary: string;
  category: string;
  type: string;
  script: string;
  timeout: number;
  variables: Variable[];
  files: FilePart[];
}

export const NEW_FORM: Form = { name: "", summary: "", category: "", type: "bash", script: "", timeout: 3600, variables: [], files: [] };

type Document = Readonly<Record<string, unknown>>;

/** The part of a script or of a version of it that can be edited. */
export function formOf(
  script: Pick<Schemas["AssemblyVersionFull"], "display_name" | "summary" | "category" | "assembly_type" | "payload">,
): Form {
  const document: Document = script.payload;
  const timeout = document["timeout_seconds"];
  return {
    name: script.display_name,
    summary: script.summary,
    category: script.category,
    type: script.assembly_type,
    script: valueText(document["script"]),
    timeout: typeof timeout === "number" ? timeout : NEW_FORM.timeout,
    variables: readVariables(document["variables"]),
    files: readFiles(document["files"]),
  };
}

/** The document to store. Members that are not edited here stay as they were. */
export function documentOf(form: Form, before: Document): Document {
  return {
    ...before,
    type: form.type,
    script: form.script,
    script_encoding: "plain",
    timeout_seconds: form.timeout,
    variables: form.variables.map((one) => ({
      name: one.name,
      label: one.label,
      type: one.type,
      default: one.type === "credential" ? null : (typedValue(one) ?? null),
      required: one.required,
      description: one.description,
    })),
    files: form.files,
  };
}

export function formProblem(form: Form): string | null {
  if (form.name.trim() === "") return "It needs a name.";
  for (const variable of form.variables) {
    const problem = variableProblem(variable, form.variables);
    if (problem) return `${variable.name || "A variable"}: ${problem}`;
  }
  return null;
}

/** A version as one text, so that two of them can be compared: what is around the script, too. */
export function textOf(form: Form): string {
  const lines = [
    `name: ${form.name}`,
    `summary: ${form.summary}`,
    `category: ${form.category}`,
    `type: ${form.type}`,
    `timeout: ${form.timeout} s`,
    ...form.variables.map(
      (one) =>
        `variable: ${one.name} (${one.type}${one.required ? ", required" : ""})${one.value ? ` = ${one.value}` : ""}${one.label ? ` · ${one.label}` : ""}${one.description ? ` · ${one.description}` : ""}`,
    ),
    ...form.files.map((file) => `file: ${file.file_name} (${file.size} bytes)`),
  ];
  return `${lines.join("\n")}\n`;
}
