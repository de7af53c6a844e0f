/** One key as the Remote Framebuffer Protocol knows it: X11's keysym, and the physical key where there is one. */
export interface Key {
  keysym: number;
  code: string | null;
}

const named = (keysym: number, code: string): Key => ({ keysym, code });

const CONTROL = named(0xffe3, "ControlLeft");
const SHIFT = named(0xffe1, "ShiftLeft");
const ALT = named(0xffe9, "AltLeft");
const SUPER = named(0xffeb, "MetaLeft");
const TAB = named(0xff09, "Tab");
const ESCAPE = named(0xff1b, "Escape");
const DELETE = named(0xffff, "Delete");
const PRINT = named(0xff61, "PrintScreen");
const RETURN = named(0xff0d, "Enter");

const functionKey = (number: number): Key => named(0xffbd + number, `F${number}`);

/** Keys that are held down together, in this order. */
export interface Chord {
  label: string;
  keys: readonly Key[];
}

/** What a browser, or the machine it runs on, keeps to itself when it is typed. */
export const CHORDS: readonly Chord[] = [
  { label: "Ctrl-Alt-Del", keys: [CONTROL, ALT, DELETE] },
  { label: "Esc", keys: [ESCAPE] },
  { label: "Tab", keys: [TAB] },
  { label: "Super (Windows key)", keys: [SUPER] },
  { label: "Super-R", keys: [SUPER, named(0x72, "KeyR")] },
  { label: "Super-L", keys: [SUPER, named(0x6c, "KeyL")] },
  { label: "Alt-Tab", keys: [ALT, TAB] },
  { label: "Alt-F4", keys: [ALT, functionKey(4)] },
  { label: "Ctrl-Esc", keys: [CONTROL, ESCAPE] },
  { label: "Ctrl-Shift-Esc", keys: [CONTROL, SHIFT, ESCAPE] },
  { label: "Print Screen", keys: [PRINT] },
];

/** Linux's consoles; most desktops live on the first, the second or the seventh. */
export const CONSOLES: readonly Chord[] = [1, 2, 3, 4, 5, 6, 7].map((number) => ({
  label: `Ctrl-Alt-F${number}`,
  keys: [CONTROL, ALT, functionKey(number)],
}));

/** The key that types a character. Latin-1 has its own keysyms; all else is Unicode behind a mark. */
export function keyOf(character: string): Key {
  if (character === "\n") return RETURN;
  if (character === "\t") return TAB;
  const point = character.codePointAt(0) ?? 0;
  return { keysym: point < 0x100 ? point : 0x1000000 + point, code: null };
}

/** A text as keys, one after the other; line ends of every kind are Return. */
export function typed(text: string): Key[] {
  return Array.from(text.replaceAll("\r\n", "\n").replaceAll("\r", "\n"), keyOf);
}
