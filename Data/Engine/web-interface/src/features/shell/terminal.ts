import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { styleNonce } from "@/app/nonce";

export const FONT = "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, monospace";

const DARK: ITheme = {
  background: "#16181d",
  foreground: "#e6e8ec",
  cursor: "#69d7a3",
  cursorAccent: "#16181d",
  selectionBackground: "#3f5b86",
  black: "#2a2e37",
  red: "#ff8787",
  green: "#69d7a3",
  yellow: "#ffc95c",
  blue: "#7fb3ff",
  magenta: "#d8a1ff",
  cyan: "#6fd6e6",
  white: "#d5d9e0",
  brightBlack: "#8b93a3",
  brightRed: "#ffa8a8",
  brightGreen: "#9de5c3",
  brightYellow: "#ffdb8a",
  brightBlue: "#a9ccff",
  brightMagenta: "#e7c6ff",
  brightCyan: "#a2e8f2",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1c1f26",
  cursor: "#0c7a4b",
  cursorAccent: "#ffffff",
  selectionBackground: "#b9d3ff",
  black: "#1c1f26",
  red: "#b02525",
  green: "#08643d",
  yellow: "#7a4600",
  blue: "#1c4fb0",
  magenta: "#7a2ea8",
  cyan: "#0b6374",
  white: "#5b6270",
  brightBlack: "#6b7280",
  brightRed: "#c92a2a",
  brightGreen: "#0c7a4b",
  brightYellow: "#8f5200",
  brightBlue: "#2b63d0",
  brightMagenta: "#9440c4",
  brightCyan: "#0f7a8e",
  brightWhite: "#1c1f26",
};

export type Scheme = "light" | "dark";

// The page's policy forbids styles that are set as attributes, as the terminal does for single characters; on the style
// of an element itself they are allowed, and say the same.
HTMLSpanElement.prototype.setAttribute = function (this: HTMLSpanElement, name: string, value: string) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};

interface Maker {
  createElement: (this: Document, tag: string, options?: ElementCreationOptions) => HTMLElement;
}

/** Put a terminal into its element. The style elements that it makes carry this page's nonce, or the policy drops them. */
export function openScreen(screen: Screen): void {
  const maker: Maker = Document.prototype;
  const createElement = (tag: string, options?: ElementCreationOptions) => {
    const element = maker.createElement.call(document, tag, options);
    if (element instanceof HTMLStyleElement) element.nonce = styleNonce();
    return element;
  };
  Object.defineProperty(document, "createElement", { configurable: true, value: createElement });
  try {
    screen.terminal.open(screen.element);
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
}

export interface Screen {
  terminal: Terminal;
  fit: FitAddon;
  /** Where it lives; moved from page to page, with all that is on it. */
  element: HTMLDivElement;
}

/** A terminal that is not in the page yet. */
export function makeScreen(scheme: Scheme, options: { columns?: number; rows?: number; typing?: boolean } = {}): Screen {
  const terminal = new Terminal({
    allowProposedApi: false,
    convertEol: false,
    cursorBlink: false,
    disableStdin: options.typing === false,
    fontFamily: FONT,
    fontSize: 14,
    // Whatever a program chooses, it can be read.
    minimumContrastRatio: 4.5,
    scrollback: 5000,
    theme: scheme === "dark" ? DARK : LIGHT,
    ...(options.columns && options.rows ? { cols: options.columns, rows: options.rows } : {}),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  const element = document.createElement("div");
  element.style.height = "100%";
  return { terminal, fit, element };
}

export function paint(screen: Screen, scheme: Scheme): void {
  screen.terminal.options.theme = scheme === "dark" ? DARK : LIGHT;
}
