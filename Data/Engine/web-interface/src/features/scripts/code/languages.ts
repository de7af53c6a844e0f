import { python } from "@codemirror/lang-python";
import { yaml } from "@codemirror/lang-yaml";
import { StreamLanguage } from "@codemirror/language";
import { powerShell } from "@codemirror/legacy-modes/mode/powershell";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import type { Extension } from "@codemirror/state";

/** What colours a script of this type; nothing for types without a grammar (batch). */
export function languageOf(type: string): Extension {
  switch (type) {
    case "bash":
      return StreamLanguage.define(shell);
    case "python":
      return python();
    case "powershell":
      return StreamLanguage.define(powerShell);
    case "ansible":
      return yaml();
    default:
      return [];
  }
}
