import { UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { useNow } from "@/ui/clock";
import { StatusMark } from "@/ui/StatusMark";
import { duration } from "@/ui/time";
import type { Run } from "./queries";
import { isFailed, lastWords, whyOf } from "./states";
import classes from "./RunRows.module.css";

interface Props {
  runs: readonly Run[];
  chosen: string | undefined;
  onChoose: (run: string | undefined) => void;
  height?: number | string;
}

const ROW = 37;

/** How long a run took, or has lasted. */
export function Lasted({ run }: { run: Run }) {
  const now = useNow();
  if (!run.started_at) return null;
  const end = run.finished_at ?? (run.status === "Running" ? Math.max(now, run.started_at) : null);
  return end === null ? null : <>{duration(Math.max(0, end - run.started_at))}</>;
}

/** The runs of a job, one row for each device; those that failed say why. A press shows the output of that one alone. */
export function RunRows({ runs, chosen, onChoose, height }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const keys = useMemo(() => runs.map((run) => run.run_id), [runs]);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised by the compiler
  const virtual = useVirtualizer({
    count: runs.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 10,
    getItemKey: (index) => keys[index] ?? index,
  });
  return (
    <div ref={frame} className={classes.frame} style={height === undefined ? {} : { maxHeight: height, flex: "none", height: Math.min(virtual.getTotalSize() + 2, 9999) }}>
      <div role="list" aria-label="Devices" className={classes.body} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const run = runs[item.index];
          if (!run) return null;
          const current = run.run_id === chosen;
          return (
            <div
              role="listitem"
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              style={{ position: "absolute", insetInline: 0, top: 0, transform: `translateY(${item.start}px)` }}
            >
              <UnstyledButton
                className={classes.row ?? ""}
                style={{ position: "static" }}
                aria-current={current ? "true" : undefined}
                onClick={() => onChoose(current ? undefined : run.run_id)}
              >
                <span className={classes.top}>
                  <span className={classes.name} title={run.device}>
                    {run.device}
                  </span>
                  <StatusMark status={run.status} detail={detailOf(run)} />
                </span>
                {isFailed(run.status) || run.status === "Cancelled" ? <Why run={run} /> : null}
              </UnstyledButton>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function detailOf(run: Run): string | undefined {
  if (run.cancel_requested && (run.status === "Running" || run.status === "Pending")) return "being cancelled";
  if (run.started_at && run.finished_at) return duration(Math.max(0, run.finished_at - run.started_at));
  return undefined;
}

function Why({ run }: { run: Run }) {
  const why = whyOf(run);
  const said = isFailed(run.status) ? lastWords(run) : "";
  if (!why && !said) return null;
  return (
    <span className={classes.why}>
      {why} {said ? <code>{said}</code> : null}
    </span>
  );
}
