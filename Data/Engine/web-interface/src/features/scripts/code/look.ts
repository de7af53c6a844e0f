import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { styleNonce } from "@/app/nonce";

/** Colours of code, dark enough on white and light enough on black. */
const style = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "light-dark(#8a1f7a, #f0a4e0)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "light-dark(#0b6b3a, #8fdcae)" },
  { tag: [tags.comment, tags.meta], color: "light-dark(#5c6770, #9aa7b0)", fontStyle: "italic" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "light-dark(#a33c00, #ffb27a)" },
  { tag: [tags.variableName, tags.definition(tags.variableName), tags.attributeName], color: "light-dark(#0f4c9c, #9cc7ff)" },
  { tag: [tags.function(tags.variableName), tags.standard(tags.variableName), tags.propertyName], color: "light-dark(#5a4a00, #ecd58a)" },
  { tag: tags.invalid, textDecoration: "underline wavy" },
]);

const base = EditorView.theme({
  "&": { fontSize: "13px", height: "100%", backgroundColor: "transparent", color: "inherit" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--mantine-color-text)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  ".cm-placeholder": { color: "var(--mantine-color-dimmed)" },
  ".cm-gutters": {
    backgroundColor: "light-dark(var(--mantine-color-gray-0), var(--mantine-color-dark-8))",
    color: "var(--mantine-color-dimmed)",
    borderRight: "1px solid var(--mantine-color-default-border)",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "light-dark(#00000009, #ffffff0d)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    backgroundColor: "light-dark(#b9e6d0, #1d5c42)",
  },
  ".cm-matchingBracket": { backgroundColor: "light-dark(#c8eedd, #2a6e52) !important" },
  ".cm-panels": { backgroundColor: "var(--mantine-color-body)", color: "inherit", borderColor: "var(--mantine-color-default-border)" },
  ".cm-panels input, .cm-panels button": { color: "inherit", background: "var(--mantine-color-default)", border: "1px solid var(--mantine-color-default-border)" },
  ".cm-searchMatch": { backgroundColor: "light-dark(#ffe066, #7a5c00)" },
  ".cm-changedLine": { backgroundColor: "light-dark(#e3f8ec, #12382a) !important" },
  ".cm-deletedChunk": { backgroundColor: "light-dark(#fdecec, #43201f)" },
  ".cm-collapsedLines": { background: "light-dark(var(--mantine-color-gray-1), var(--mantine-color-dark-6))", color: "var(--mantine-color-dimmed)" },
});

/** How code looks, everywhere on the page. The nonce lets the editor make its style element. */
export const look: Extension = [EditorView.cspNonce.of(styleNonce()), base, syntaxHighlighting(style)];
