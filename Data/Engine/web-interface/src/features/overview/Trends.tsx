import { Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconChartLine, IconTable } from "@tabler/icons-react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState, type ReactNode } from "react";
import { patiently } from "@/app/lazy";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { exactly } from "@/ui/time";
import type { CanvasProps } from "./Canvas";
import { deviceColumns, deviceWords, runColumns, runWords, thinned, type Bars, type Points } from "./plots";
import { useTrends } from "./queries";
import { HOURS, RANGE_WORDS } from "./search";
import classes from "./Trends.module.css";

const route = getRouteApi("/shell/");
const Canvas = lazy(() => patiently(() => import("./Canvas")));
/** As many rows as somebody reads. */
const MOST_ROWS = 31;
const short = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const when = (at: number) => short.format(new Date(at * 1000));

/** Devices and runs over the last day, week or month: drawn, in a sentence, and as tables. */
export function Trends() {
  const { range = "24h" } = route.useSearch();
  const navigate = useNavigate();
  const [asTable, setAsTable] = useState(false);
  const hours = HOURS[range] ?? 24;
  const asked = useTrends(hours);
  const found = asked.data;

  return (
    <Section
      title="Over time"
      actions={
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label="Over how long"
            value={range}
            onChange={(value) => void navigate({ to: "/", search: value === "24h" ? {} : { range: value as "7d" }, replace: true, resetScroll: false })}
            data={Object.entries(RANGE_WORDS).map(([value, label]) => ({ value, label }))}
          />
          <Button
            size="xs"
            variant="default"
            leftSection={asTable ? <IconChartLine size={15} aria-hidden /> : <IconTable size={15} aria-hidden />}
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? "As plots" : "As tables"}
          </Button>
        </Group>
      }
    >
      <ErrorNote error={asked.error} what="The numbers over time could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {found ? (
        <div className={classes.plots}>
          <Devices series={found.series} from={found.at - hours * 3600} to={found.at} asTable={asTable} />
          {found.runs ? <Runs runs={found.runs} asTable={asTable} /> : null}
        </div>
      ) : null}
    </Section>
  );
}

function Devices({ series, from, to, asTable }: { series: Points; from: number; to: number; asTable: boolean }) {
  const [place, setPlace] = useState<number | null>(null);
  const { points, step_seconds: step } = series;
  const first = points[0]?.at ?? to;
  const young = first - from > 2 * step;
  const columns = deviceColumns(series);
  const at = place === null ? undefined : columns[0][place];
  const shown = points.find((point) => point.at === at) ?? points.at(-1);
  return (
    <Plot
      title="Devices"
      words={points.length > 1 ? `${deviceWords(series)}${young ? ` Counted since ${when(first)}.` : ""}` : ""}
      keys={[
        { label: "Online", tone: "good", form: "line", value: shown?.online },
        { label: "Offline", tone: "idle", form: "dashes", value: shown?.offline },
      ]}
      at={shown ? when(shown.at) : ""}
      empty={points.length < 2 ? "The Engine counts devices every five minutes. Come back in ten: a line needs two points." : ""}
      table={
        asTable ? (
          <SimpleTable
            label="Devices over time"
            head={["When", "Online", "Offline"]}
            rows={thinned(points, MOST_ROWS).map((point) => ({
              key: String(point.at),
              cells: [<Moment key="at" at={point.at} />, point.online.toLocaleString(), point.offline.toLocaleString()],
            }))}
          />
        ) : null
      }
      drawing={{ kind: "devices", columns, from: young ? first : from, to: Math.max(to, points.at(-1)?.at ?? to), onPlace: setPlace }}
    />
  );
}

function Runs({ runs, asTable }: { runs: Bars; asTable: boolean }) {
  const [place, setPlace] = useState<number | null>(null);
  const { bars, step_seconds: step } = runs;
  const shown = place === null ? undefined : bars[place];
  const sum = (part: "done" | "failed") => bars.reduce((total, bar) => total + bar[part], 0);
  const first = bars[0]?.at ?? 0;
  const each = step === 3600 ? "each hour" : step < 86_400 ? `every ${step / 3600} hours` : "each day";
  return (
    <Plot
      title={`Runs, ${each}`}
      words={runWords(runs)}
      keys={[
        { label: "Done", tone: "good", form: "outline", value: shown ? shown.done : sum("done") },
        { label: "Failed", tone: "bad", form: "block", value: shown ? shown.failed : sum("failed") },
      ]}
      at={shown ? `from ${when(shown.at)}` : "in all"}
      empty={bars.some((bar) => bar.done + bar.failed > 0) ? "" : "No script ended in this time."}
      table={
        asTable ? (
          <SimpleTable
            label="Runs over time"
            head={["From", "Done", "Failed", "Cancelled or under way"]}
            rows={bars.toReversed().map((bar) => ({
              key: String(bar.at),
              cells: [<Moment key="at" at={bar.at} />, bar.done.toLocaleString(), bar.failed.toLocaleString(), bar.other.toLocaleString()],
            }))}
          />
        ) : null
      }
      drawing={{ kind: "runs", columns: runColumns(runs), from: first, to: (bars.at(-1)?.at ?? first) + step, onPlace: setPlace }}
    />
  );
}

function Moment({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={exactly(at)}>
      {when(at)}
    </time>
  );
}

interface Key {
  label: string;
  tone: "good" | "bad" | "idle";
  form: "line" | "dashes" | "outline" | "block";
  value: number | undefined;
}

interface PlotProps {
  title: string;
  words: string;
  keys: readonly Key[];
  /** Of when the numbers beside the keys are. */
  at: string;
  /** Why there is nothing to draw. */
  empty: string;
  table: ReactNode;
  drawing: CanvasProps;
}

function Plot({ title, words, keys, at, empty, table, drawing }: PlotProps) {
  return (
    <figure className={classes.plot} aria-label={title}>
      <Stack gap={4}>
        <Text fw={600} size="sm" component="h3" m={0}>
          {title}
        </Text>
        {empty ? (
          <div className={classes.empty}>
            <Text size="sm" c="dimmed">
              {empty}
            </Text>
          </div>
        ) : (
          (table ?? (
            <>
              <div className={classes.legend}>
                {keys.map((key) => (
                  <span key={key.label} className={classes.key}>
                    <Sample {...key} />
                    {key.label} <strong>{key.value?.toLocaleString() ?? ""}</strong>
                  </span>
                ))}
                <Text span size="sm" c="dimmed">
                  {at}
                </Text>
              </div>
              <Suspense fallback={<div className={classes.canvas} />}>
                <Canvas {...drawing} />
              </Suspense>
            </>
          ))
        )}
        <Text component="figcaption" size="xs" c="dimmed">
          {empty ? "" : words}
        </Text>
      </Stack>
    </figure>
  );
}

/** How a series is drawn. */
function Sample({ tone, form }: Pick<Key, "tone" | "form">) {
  return (
    <svg width="22" height="12" aria-hidden className={classes[tone]}>
      {form === "line" || form === "dashes" ? (
        <line x1="0" x2="22" y1="6" y2="6" stroke="currentColor" strokeWidth="2" strokeDasharray={form === "dashes" ? "6 4" : undefined} />
      ) : (
        <rect x="6" y="1" width="10" height="10" stroke="currentColor" strokeWidth="1.5" fill="currentColor" fillOpacity={form === "block" ? 1 : 0.15} />
      )}
    </svg>
  );
}
