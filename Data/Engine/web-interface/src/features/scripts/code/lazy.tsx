import { lazy, Suspense } from "react";
import { Loading } from "@/ui/Loading";
import type { DiffProps } from "./CodeDiff";
import type { CodeProps } from "./CodeEditor";
import classes from "./Code.module.css";

const Editor = lazy(() => import("./CodeEditor"));
const Diff = lazy(() => import("./CodeDiff"));

/** The editor, loaded when it is first needed. */
export function CodeField(props: CodeProps & { onChange: (value: string) => void }) {
  return (
    <div className={`${classes.box ?? ""} ${classes.edit ?? ""}`}>
      <Suspense fallback={<Loading what="The editor is coming…" />}>
        <Editor {...props} />
      </Suspense>
    </div>
  );
}

/** Code to read. */
export function CodeView({ value, type, label }: { value: string; type: string; label: string }) {
  return (
    <div className={`${classes.box ?? ""} ${classes.view ?? ""}`}>
      <Suspense fallback={<Loading />}>
        <Editor value={value} type={type} label={label} />
      </Suspense>
    </div>
  );
}

/** Two versions of a code, as what changed. */
export function CodeChanges(props: DiffProps) {
  return (
    <div className={`${classes.box ?? ""} ${classes.view ?? ""}`}>
      <Suspense fallback={<Loading />}>
        <Diff {...props} />
      </Suspense>
    </div>
  );
}
