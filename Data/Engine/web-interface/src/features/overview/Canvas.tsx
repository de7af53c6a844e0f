import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Columns } from "./plots";
import classes from "./Trends.module.css";

/** As in the page's style sheets: a canvas does not read those. */
const COLOURS = {
  light: { good: "#0c7a4b", bad: "#c92a2a", idle: "#5c6770", goodFill: "#0c7a4b1f", grid: "#0000001a", text: "#5c6770" },
  dark: { good: "#3fcb87", bad: "#ff8787", idle: "#a5b0b8", goodFill: "#3fcb8726", grid: "#ffffff1a", text: "#a5b0b8" },
};
const HEIGHT = 180;
const FONT = "12px system-ui, sans-serif";
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export interface CanvasProps {
  kind: "devices" | "runs";
  columns: Columns;
  /** Unix seconds. */
  from: number;
  to: number;
  /** The place that the pointer is at; null where it is elsewhere. */
  onPlace: (place: number | null) => void;
}

function seriesOf(kind: CanvasProps["kind"], colours: (typeof COLOURS)["light"]): uPlot.Series[] {
  // Told apart by their form too: full and dashed lines, filled and outlined bars.
  if (kind === "devices") {
    return [
      { stroke: colours.good, width: 2, fill: colours.goodFill },
      { stroke: colours.idle, width: 2, dash: [6, 4] },
    ];
  }
  const bars = uPlot.paths.bars?.({ size: [0.8, 40], align: 1 });
  return [
    { stroke: colours.good, width: 1.5, fill: colours.goodFill },
    { stroke: colours.bad, width: 1, fill: colours.bad },
  ].map((one) => ({ ...one, ...(bars ? { paths: bars } : {}), points: { show: false } }));
}

/** The drawing itself. Whoever cannot see it reads the sentence and the table beside it. */
export default function Canvas({ kind, columns, from, to, onPlace }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const scheme = useComputedColorScheme("light");
  // What a plot that is there already looks up by itself.
  const now = useRef({ columns, from, to, onPlace });
  useEffect(() => {
    now.current = { columns, from, to, onPlace };
    plot.current?.setData(columns);
  });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const colours = COLOURS[scheme];
    const axis = { stroke: colours.text, font: FONT, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === "devices" } },
        scales: {
          x: { time: true, range: () => [now.current.from, now.current.to] },
          // Counts begin at nothing, and a plot of nothing is no plot of ones.
          y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.1))] },
        },
        axes: [
          {
            ...axis,
            size: 30,
            space: 64,
            values: (_, splits) => {
              const days = now.current.to - now.current.from > 2.5 * 86_400;
              return splits.map((at) => (days ? day : hour).format(new Date(at * 1000)));
            },
          },
          { ...axis, size: 52, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000] },
        ],
        series: [{}, ...seriesOf(kind, colours)],
        hooks: { setCursor: [(self) => now.current.onPlace(self.cursor.idx ?? null)] },
      },
      now.current.columns,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [kind, scheme]);

  return <div ref={box} className={classes.canvas ?? ""} aria-hidden />;
}
