/** What a script is made of besides its text, as it is edited; pure. */

export const SCRIPT_TYPES = [
  { value: "bash", label: "Bash" },
  { value: "python", label: "Python" },
  { value: "powershell", label: "PowerShell" },
  { value: "batch", label: "Batch" },
  { value: "ansible", label: "Playbook" },
] as const;

export const VARIABLE_TYPES = [
  { value: "string", label: "Text" },
  { value: "number", label: "Number" },
  { value: "boolean", label: "Yes or no" },
] as const;

/** A variable while it is edited. `value` is a text whatever the type: the value of a run, the default of a script. */
export interface Variable {
  name: string;
  type: string;
  value: string;
  label: string;
  description: string;
  required: boolean;
}

export interface Entry {
  name: string;
  value: string;
}

export interface FilePart {
  file_name: string;
  size: number;
  mime_type: string;
  /** Base64. */
  data: string;
}

export const NEW_VARIABLE: Variable = { name: "", type: "string", value: "", label: "", description: "", required: false };
export const MOST_FILE_BYTES = 8 * 1024 * 1024;
export const MOST_FILES = 64;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** A value of the Engine's as a text to edit. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "true" : "false";
  return typeof value === "number" ? String(value) : text(value);
}

/** The text as the value that its type says; null where it is empty, undefined where it is no such thing. */
export function typedValue(variable: Pick<Variable, "type" | "value">): string | number | boolean | null | undefined {
  const { type, value } = variable;
  if (type === "boolean") return value === "true" ? true : value === "false" ? false : value === "" ? null : undefined;
  if (type === "number") {
    if (value.trim() === "") return null;
    const number = Number(value);
    return Number.isFinite(number) ? number : undefined;
  }
  return value;
}

/** What is wrong with a variable's name or value; nothing where all is well. */
export function variableProblem(variable: Variable, others: readonly Variable[]): string | null {
  if (variable.name === "") return "It needs a name.";
  if (variable.name.length > 128 || /[=\0]/.test(variable.name)) return "A name has at most 128 characters and no '='.";
  if (others.some((one) => one !== variable && one.name === variable.name)) return "There is another one of that name.";
  if (typedValue(variable) === undefined) return variable.type === "number" ? "This is not a number." : "Choose yes or no.";
  return null;
}

/** Variables as a document or a job of the Engine's has them. */
export function readVariables(given: unknown): Variable[] {
  if (!Array.isArray(given)) return [];
  return given
    .filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null)
    .map((one) => ({
      name: text(one["name"]),
      type: text(one["type"]) || "string",
      value: valueText(one["value"] ?? one["default"]),
      label: text(one["label"]),
      description: text(one["description"]),
      required: one["required"] === true,
    }));
}

export function readFiles(given: unknown): FilePart[] {
  if (!Array.isArray(given)) return [];
  return given
    .filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null)
    .map((one) => ({
      file_name: text(one["file_name"]),
      size: typeof one["size"] === "number" ? one["size"] : 0,
      mime_type: text(one["mime_type"]),
      data: text(one["data"]),
    }));
}

export function readEntries(given: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(given).map(([name, value]) => ({ name, value }));
}

/** The bytes of a file as base64. */
export async function readFile(file: File): Promise<FilePart> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let from = 0; from < bytes.length; from += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  }
  return { file_name: file.name, size: file.size, mime_type: file.type, data: btoa(binary) };
}
