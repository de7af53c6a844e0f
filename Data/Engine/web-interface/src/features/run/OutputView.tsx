import { ActionIcon, Button, SegmentedControl, Text, Tooltip } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowBarToDown, IconCheck, IconCopy, IconDownload, IconTextWrap } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useDeferredValue, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { download } from "@/ui/download";
import { usePreference } from "@/ui/preferences";
import { SearchBox } from "@/ui/SearchBox";
import { readable, type Line, type Output } from "./output";
import type { Run } from "./queries";
import { isUnderWay } from "./states";
import classes from "./OutputView.module.css";

interface Props {
  output: Output;
  runs: readonly Run[];
  /** The run to show alone; all of them where it is absent. */
  only: string | undefined;
  /** What the file is called that is saved. */
  name: string;
}

const LINE = 20;
type Which = "both" | "stdout" | "stderr";

/** Output, as it comes: searched, followed to its end until the reader scrolls up, copied, saved. */
export function OutputView({ output, runs, only, name }: Props) {
  const narrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const [wrapChosen, chooseWrap] = usePreference<boolean | null>("output.wrap", null);
  const wrap = wrapChosen ?? narrow;
  const [typed, setTyped] = useState("");
  const [which, setWhich] = useState<Which>("both");
  const [follow, setFollow] = useState(true);
  const frame = useRef<HTMLDivElement>(null);
  const words = useDeferredValue(typed.trim().toLowerCase());

  const names = useMemo(() => new Map(runs.map((run) => [run.run_id, run.device])), [runs]);
  const many = only === undefined && runs.length > 1;
  const count = output.lines.length;
  const version = output.version();
  const shown = useMemo(() => {
    if (version < 0) return []; // lines are changed in place: the version tells
    if (only === undefined && which === "both" && !words) return output.lines.slice();
    return output.lines.filter(
      (line) =>
        (only === undefined || line.run === only) &&
        (which === "both" || line.stream === which) &&
        (!words || line.text.toLowerCase().includes(words)),
    );
  }, [output, version, only, which, words]);
  const total = useMemo(() => {
    if (version < 0) return 0;
    return only === undefined ? count : output.lines.reduce((sum, line) => sum + (line.run === only ? 1 : 0), 0);
  }, [output, version, only, count]);
  const longest = useMemo(() => (wrap ? 0 : shown.reduce((most, line) => Math.max(most, line.text.length), 0)), [shown, wrap]);
  const moving = runs.some((run) => (only === undefined || run.run_id === only) && isUnderWay(run.status));

  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised by the compiler
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => frame.current,
    estimateSize: () => LINE,
    overscan: 24,
  });

  useLayoutEffect(() => {
    const element = frame.current;
    if (follow && element) element.scrollTop = element.scrollHeight;
  }, [follow, shown, wrap]);

  const textOf = () =>
    shown.map((line) => (many ? `${names.get(line.run) ?? ""}\t${readable(line.text)}` : readable(line.text))).join("\n") + "\n";
  const items = virtual.getVirtualItems();

  return (
    <section className={classes.outer} aria-label="Output">
      <div className={classes.bar}>
        <SearchBox
          label={many ? "Search the output of all" : "Search the output"}
          placeholder="Lines with…"
          w={narrow ? 190 : 230}
          value={typed}
          onChange={setTyped}
        />
        <SegmentedControl
          size="xs"
          aria-label="Which output"
          value={which}
          onChange={(value) => setWhich(value)}
          data={[
            { value: "both", label: "Both" },
            { value: "stdout", label: "Output" },
            { value: "stderr", label: "Errors" },
          ]}
        />
        <Text size="xs" c="dimmed" style={{ flex: 1 }} aria-live="off">
          {words || which !== "both"
            ? `${shown.length.toLocaleString()} of ${total.toLocaleString()} lines`
            : `${total.toLocaleString()} ${total === 1 ? "line" : "lines"}`}
          {output.dropped > 0 ? `, ${output.dropped.toLocaleString()} older ones let go` : ""}
        </Text>
        <Tooltip label={wrap ? "Do not break long lines" : "Break long lines"}>
          <ActionIcon
            variant={wrap ? "light" : "default"}
            aria-label="Break long lines"
            aria-pressed={wrap}
            onClick={() => chooseWrap(!wrap)}
          >
            <IconTextWrap size={16} aria-hidden />
          </ActionIcon>
        </Tooltip>
        <CopyAll textOf={textOf} disabled={shown.length === 0} />
        <Tooltip label="Save what is shown">
          <ActionIcon
            variant="default"
            aria-label="Save what is shown"
            disabled={shown.length === 0}
            onClick={() => download(`${name}.txt`, textOf(), "text/plain")}
          >
            <IconDownload size={16} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </div>
      <div className={classes.room}>
        <div
          ref={frame}
          className={classes.frame}
          data-wrap={wrap || undefined}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard has to reach it
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label="Lines of output"
          onScroll={(event) => {
            const element = event.currentTarget;
            setFollow(element.scrollHeight - element.scrollTop - element.clientHeight < 24);
          }}
        >
          {shown.length === 0 ? (
            <div className={classes.nothing}>{emptyWords(total > 0, moving, runs, only)}</div>
          ) : (
            <div
              className={classes.body}
              style={{
                height: virtual.getTotalSize(),
                ...(wrap ? {} : { width: `calc(${longest}ch + ${many ? 190 : 50}px)` }),
              }}
            >
              {items.map((item) => {
                const line = shown[item.index];
                if (!line) return null;
                return (
                  <div
                    key={item.key}
                    ref={wrap ? virtual.measureElement : undefined}
                    data-index={item.index}
                    data-stream={line.stream}
                    className={classes.line}
                    style={{ transform: `translateY(${item.start}px)` }}
                  >
                    {many ? (
                      <span className={classes.device} title={names.get(line.run)}>
                        {names.get(line.run)}
                      </span>
                    ) : null}
                    <span className={classes.stream}>{line.stream === "stderr" ? "!" : " "}</span>
                    <span className={classes.text}>
                      <Marked line={line} words={words} />
                    </span>
                  </div>
                );
              })}
            </div>
          )}
        </div>
        {!follow && shown.length > 0 ? (
          <Button
            className={classes.end ?? ""}
            size="xs"
            leftSection={<IconArrowBarToDown size={15} aria-hidden />}
            onClick={() => setFollow(true)}
          >
            {moving ? "Follow the end" : "To the end"}
          </Button>
        ) : null}
      </div>
    </section>
  );
}

function emptyWords(hidden: boolean, moving: boolean, runs: readonly Run[], only: string | undefined): string {
  if (hidden) return "No line is like that.";
  if (!moving) return "It said nothing.";
  const chosen = runs.filter((run) => only === undefined || run.run_id === only);
  return chosen.every((run) => run.status === "Pending")
    ? "Not started yet: the device fetches it when it is there."
    : "Nothing said yet.";
}

function CopyAll({ textOf, disabled }: { textOf: () => string; disabled: boolean }) {
  const [copied, setCopied] = useState(false);
  return (
    <Tooltip label={copied ? "Copied" : "Copy what is shown"}>
      <ActionIcon
        variant="default"
        aria-label={copied ? "Copied" : "Copy what is shown"}
        disabled={disabled}
        onClick={() => {
          void navigator.clipboard.writeText(textOf()).then(() => {
            setCopied(true);
            setTimeout(() => setCopied(false), 1600);
          });
        }}
      >
        {copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
      </ActionIcon>
    </Tooltip>
  );
}

/** A line with what was searched marked. */
function Marked({ line, words }: { line: Line; words: string }) {
  const text = readable(line.text);
  if (!words) return text;
  const parts: ReactNode[] = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(words); at >= 0; at = lower.indexOf(words, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + words.length)}</mark>);
    from = at + words.length;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}
