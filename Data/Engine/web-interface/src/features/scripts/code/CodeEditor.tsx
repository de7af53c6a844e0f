import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  placeholder as placeholderOf,
} from "@codemirror/view";
import { useEffect, useEffectEvent, useRef } from "react";
import { languageOf } from "./languages";
import { look } from "./look";

export interface CodeProps {
  value: string;
  type: string;
  label: string;
  onChange?: ((value: string) => void) | undefined;
  /** Ctrl-Enter. */
  onSubmit?: (() => void) | undefined;
  placeholder?: string;
}

/** An editor for scripts; without `onChange` only to read. Tab indents; Escape, then Tab, leaves. */
export default function CodeEditor({ value, type, label, onChange, onSubmit, placeholder = "" }: CodeProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const language = useRef(new Compartment());
  const changed = useEffectEvent((text: string) => onChange?.(text));
  const submitted = useEffectEvent(() => {
    onSubmit?.();
    return onSubmit !== undefined;
  });
  const readOnly = onChange === undefined;
  const first = useRef({ value, type });

  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    let escaped = false;
    const made = new EditorView({
      parent,
      state: EditorState.create({
        doc: first.current.value,
        extensions: [
          look,
          lineNumbers(),
          drawSelection(),
          bracketMatching(),
          indentOnInput(),
          indentUnit.of("    "),
          highlightSelectionMatches(),
          search({ top: true }),
          history(),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off", autocorrect: "off" }),
          ...(readOnly ? [EditorState.readOnly.of(true)] : [highlightActiveLine(), highlightActiveLineGutter()]),
          placeholderOf(placeholder),
          keymap.of([
            { key: "Mod-Enter", run: () => submitted() },
            { key: "Escape", run: () => { escaped = true; return false; } },
            {
              ...indentWithTab,
              run: (editor) => {
                if (escaped || readOnly) { escaped = false; return false; }
                return indentWithTab.run?.(editor) ?? false;
              },
            },
            ...defaultKeymap,
            ...historyKeymap,
            ...searchKeymap,
          ]),
          language.current.of(languageOf(first.current.type)),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => {
      view.current = null;
      made.destroy();
    };
  }, [label, placeholder, readOnly]);

  useEffect(() => {
    first.current = { value, type };
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
  }, [value, type]);

  useEffect(() => {
    view.current?.dispatch({ effects: language.current.reconfigure(languageOf(type)) });
  }, [type]);

  return <div ref={place} style={{ height: "100%" }} />;
}
