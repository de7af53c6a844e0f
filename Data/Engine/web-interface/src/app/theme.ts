import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** One accent: the green of the aurora, dark enough on white and light enough on black for text (WCAG AA). */
const aurora: MantineColorsTuple = [
  "#e4fbf1",
  "#cdf2e1",
  "#9de5c3",
  "#69d7a3",
  "#3fcb87",
  "#24b873",
  "#159a5f",
  "#0c7a4b",
  "#08643d",
  "#034e2e",
];

/** Red that can be read as text on white (shade 6) and carries white text (shade 7). */
const red: MantineColorsTuple = [
  "#fff5f5",
  "#ffe3e3",
  "#ffc9c9",
  "#ffa8a8",
  "#ff8787",
  "#f45a5a",
  "#c92a2a",
  "#b02525",
  "#951f1f",
  "#7a1919",
];

/** Amber whose dark shades can be read on its light ones. */
const yellow: MantineColorsTuple = [
  "#fff9e6",
  "#fff3d6",
  "#ffe8b3",
  "#ffdb8a",
  "#ffc95c",
  "#f0b429",
  "#a15c00",
  "#8f5200",
  "#7a4600",
  "#663c00",
];

/** Nothing moves for longer than this. */
const QUICK_MS = 100;

export const theme = createTheme({
  primaryColor: "aurora",
  primaryShade: 7,
  colors: { aurora, red, yellow },
  autoContrast: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, monospace",
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  headings: { fontWeight: "600" },
  components: {
    Badge: { defaultProps: { tt: "none" } },
    Modal: { defaultProps: { transitionProps: { duration: QUICK_MS } }, styles: { title: { fontWeight: 600 } } },
    Drawer: { defaultProps: { transitionProps: { duration: QUICK_MS } }, styles: { title: { fontWeight: 600 } } },
    // Without the empty element that else takes the focus first: it is none of a menu's parts.
    Menu: { defaultProps: { transitionProps: { duration: QUICK_MS }, withInitialFocusPlaceholder: false } },
    Popover: { defaultProps: { transitionProps: { duration: QUICK_MS } } },
    Tooltip: { defaultProps: { transitionProps: { duration: QUICK_MS }, openDelay: 200 } },
  },
});
