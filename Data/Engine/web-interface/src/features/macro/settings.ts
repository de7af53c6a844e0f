import type { Schemas } from "@/api/client";

/** What the form of a macro holds, and what is asked of the Engine; pure. */

export type Settings = Schemas["MacroForm"];
export type Changes = Schemas["MacroPart"];
export type Mode = Settings["operation_mode"];
/** How the window is meant. */
export type Where = "focus" | "title" | "list";

export interface Draft {
  settings: Settings;
  where: Where;
  /** On whose screen; empty for who sits at the machine, or else the first by name. */
  user: string;
  /** Seconds after which it ends by itself. */
  seconds: number;
}

export const MODES: readonly { value: Mode; label: string }[] = [
  { value: "Run Once", label: "Once" },
  { value: "Continuous", label: "Again and again" },
  { value: "Trigger-Once", label: "Once for each trigger" },
  { value: "Trigger-Continuous", label: "Again and again while triggered" },
];

export const BLANK: Draft = {
  settings: {
    macro_type: "text",
    operation_mode: "Run Once",
    window_handle: 0,
    window_title: "",
    key: "",
    text: "",
    interval_ms: 1000,
    randomize_interval: false,
    random_min: 750,
    random_max: 950,
    active: true,
    trigger: 0,
  },
  where: "focus",
  user: "",
  seconds: 3600,
};
export const TEST_SECONDS = 60;
export const MIN_INTERVAL = 50;

export function repeats(mode: Mode): boolean {
  return mode === "Continuous" || mode === "Trigger-Continuous";
}

/** What stands in the way of typing it; null where nothing does. */
export function problemOf({ settings, where }: Draft): string | null {
  if (settings.macro_type === "text" && !settings.text) return "Write what it types.";
  if (settings.macro_type === "keypress" && !settings.key) return "Name the key that it presses.";
  if (where === "title" && !settings.window_title.trim()) return "Write a part of the window's title.";
  if (where === "list" && !settings.window_handle) return "Choose a window from the list.";
  if (!repeats(settings.operation_mode)) return null;
  const times = settings.randomize_interval ? [settings.random_min, settings.random_max] : [settings.interval_ms];
  if (times.some((time) => !(time >= MIN_INTERVAL))) return `From one time to the next it takes ${MIN_INTERVAL} ms at least.`;
  if (settings.randomize_interval && settings.random_min > settings.random_max) return "The shortest wait is longer than the longest.";
  return null;
}

/** The settings as they are meant: of the ways to name a window, the chosen one. */
export function settingsOf({ settings, where }: Draft): Settings {
  return {
    ...settings,
    window_handle: where === "list" ? settings.window_handle : 0,
    window_title: where === "title" ? settings.window_title.trim() : "",
  };
}

/** The same once, to try it. */
export function testOf(draft: Draft): Settings {
  return { ...settingsOf(draft), operation_mode: "Run Once", active: true };
}

/** What differs; null where nothing does. */
export function changesOf(before: Settings, after: Settings): Changes | null {
  const found = Object.entries(after).filter(([name, value]) => before[name as keyof Settings] !== value);
  return found.length > 0 ? (Object.fromEntries(found)) : null;
}

/** The draft of a macro that was started, from the script of its job; null where that is something else. */
export function draftOf(script: string, seconds: number, user: string): Draft | null {
  const order: unknown = JSON.parse(script);
  if (typeof order !== "object" || order === null || !("settings" in order)) return null;
  const settings = { ...BLANK.settings, ...(order.settings as Partial<Settings>) };
  const where = settings.window_handle ? "list" : settings.window_title ? "title" : "focus";
  return { settings, where, user, seconds };
}
