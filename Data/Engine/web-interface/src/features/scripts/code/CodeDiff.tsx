import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { languageOf } from "./languages";
import { look } from "./look";

export interface DiffProps {
  before: string;
  after: string;
  type: string;
  label: string;
}

/** What changed between two texts: lines that went, lines that came; what is the same is folded. */
export default function CodeDiff({ before, after, type, label }: DiffProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const made = new EditorView({
      parent,
      doc: after,
      extensions: [
        look,
        lineNumbers(),
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
        languageOf(type),
        unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged: { margin: 3, minSize: 6 } }),
      ],
    });
    return () => made.destroy();
  }, [before, after, type, label]);
  return <div ref={place} />;
}
