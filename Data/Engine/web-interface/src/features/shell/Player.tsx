import { Button, Checkbox, Group, Select, Slider, Stack, Text, useComputedColorScheme } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { afterPause, between, readSize, type Cast } from "./cast";
import { clockTime } from "./length";
import classes from "./Shell.module.css";
import { makeScreen, openScreen, paint, type Screen } from "./terminal";

const SPEEDS = ["0.5", "1", "2", "4", "8"].map((value) => ({ value, label: `${value} ×` }));
const LONGEST_PAUSE = 2;
const BEFORE = -1;

/** Plays a recording in a terminal that takes no typing. */
export function Player({ cast }: { cast: Cast }) {
  const scheme = useComputedColorScheme("light");
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | null>(null);
  /** Up to where it was drawn; seconds. */
  const drawn = useRef(BEFORE);
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(true);
  const [speed, setSpeed] = useState("1");
  const [short, setShort] = useState(true);

  useEffect(() => {
    const made = makeScreen("dark", { columns: cast.columns, rows: cast.rows, typing: false });
    screen.current = made;
    drawn.current = BEFORE;
    place.current?.append(made.element);
    openScreen(made);
    return () => {
      screen.current = null;
      made.terminal.dispose();
      made.element.remove();
    };
  }, [cast]);

  useEffect(() => {
    if (screen.current) paint(screen.current, scheme);
  }, [scheme, cast]);

  useEffect(() => {
    const terminal = screen.current?.terminal;
    if (!terminal) return;
    if (at < drawn.current) {
      terminal.reset();
      terminal.resize(cast.columns, cast.rows);
      drawn.current = BEFORE;
    }
    let text = "";
    for (const event of between(cast.events, drawn.current, at)) {
      const size = event.kind === "r" ? readSize(event.data) : null;
      if (size) {
        terminal.write(text);
        text = "";
        terminal.resize(...size);
      } else if (event.kind === "o") text += event.data;
    }
    terminal.write(text);
    drawn.current = at;
  }, [at, cast]);

  useEffect(() => {
    if (!playing) return undefined;
    let last = performance.now();
    let frame = requestAnimationFrame(function step(now) {
      const passed = ((now - last) / 1000) * Number(speed);
      last = now;
      setAt((was) => {
        const from = short ? afterPause(cast.events, was, LONGEST_PAUSE) : was;
        return Math.min(from + passed, cast.length);
      });
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, short, cast]);

  const isOver = at >= cast.length;
  useEffect(() => {
    if (isOver) setPlaying(false);
  }, [isOver]);

  return (
    <Stack gap="sm">
      <div ref={place} className={classes.player} role="group" aria-label="What the shell printed" />
      <Group gap="sm" align="center">
        <Button
          leftSection={playing ? <IconPlayerPause size={16} aria-hidden /> : <IconPlayerPlay size={16} aria-hidden />}
          onClick={() => {
            if (!playing && isOver) setAt(0);
            setPlaying(!playing);
          }}
        >
          {playing ? "Pause" : isOver ? "Play again" : "Play"}
        </Button>
        <Slider
          flex={1}
          miw={160}
          min={0}
          max={Math.max(cast.length, 0.1)}
          step={0.1}
          value={at}
          label={clockTime}
          thumbLabel="Position in the recording"
          onChange={setAt}
        />
        <Text size="sm" ff="monospace">
          {clockTime(at)} / {clockTime(cast.length)}
        </Text>
        <Select
          aria-label="Speed"
          w={90}
          allowDeselect={false}
          data={SPEEDS}
          value={speed}
          onChange={(value) => setSpeed(value ?? "1")}
        />
        <Checkbox label="Cut pauses short" checked={short} onChange={(event) => setShort(event.currentTarget.checked)} />
      </Group>
    </Stack>
  );
}
