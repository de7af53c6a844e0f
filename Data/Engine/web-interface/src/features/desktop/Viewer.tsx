import { Alert, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { IconPlugConnected } from "@tabler/icons-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { ErrorNote } from "@/ui/ErrorNote";
import { ClipboardPanel } from "./ClipboardPanel";
import type { DesktopSession, Start } from "./session";
import { Toolbar, type ViewerButtons } from "./Toolbar";
import { useDesktop } from "./useDesktop";
import { useFullScreen } from "./useFullScreen";
import classes from "./Viewer.module.css";

/** The keys that leave the picture, beside the mouse. */
const WAY_OUT = "Ctrl-Shift-E";

interface Props {
  /** What is shown, for who cannot see it: "The desktop of pc-7". */
  title: string;
  /** Asks the Engine for a connection, each time there has to be one. */
  start: Start;
  /** May it be asked for now? */
  ready?: boolean;
  /** The word on the button that starts. */
  act?: string;
  /** What can be chosen before it starts. */
  children?: ReactNode;
  /** What is offered while it runs; all, where nothing is said. */
  buttons?: Partial<ViewerButtons>;
  /** One quiet line while it runs, from what the Engine said when it opened. */
  describe?: (told: Readonly<Record<string, unknown>>) => string;
}

/** A remote picture with keyboard, pointer and clipboard, over one of the Engine's streams. It ends with the page part. */
export function Viewer({ title, start, ready = true, act = "Connect", children, buttons, describe }: Props) {
  const whole = useRef<HTMLElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const { session, wish } = useDesktop(place, leave, title);
  const [full, toggleFull] = useFullScreen(whole);
  const [panel, setPanel] = useState(false);
  const { state } = session;
  const isIdle = state === "off" || state === "over";

  return (
    <Stack gap="sm">
      {isIdle ? (
        <Group gap="sm" align="flex-end">
          {children}
          <Button
            leftSection={<IconPlugConnected size={16} aria-hidden />}
            disabled={!ready}
            onClick={() => session.begin(start)}
          >
            {state === "over" ? `${act} again` : act}
          </Button>
        </Group>
      ) : null}
      {state === "over" && session.error ? <ErrorNote error={session.error} what="There is no picture" /> : null}
      {state === "over" && !session.error ? (
        <Alert color="gray" variant="light" role="status" title="It has ended">
          {session.message}
        </Alert>
      ) : null}
      <section ref={whole} className={classes.whole} aria-label={title} data-idle={isIdle || undefined} data-state={state}>
        <Toolbar
          session={session}
          wish={wish}
          full={full}
          onFull={toggleFull}
          panel={panel}
          onPanel={() => setPanel(!panel)}
          leave={leave}
          buttons={buttons}
        />
        {panel && state === "on" ? (
          <ClipboardPanel
            text={session.clipboard}
            disabled={session.isViewOnly}
            share={session.wishes.shareClipboard}
            onShare={(shareClipboard) => wish({ shareClipboard })}
            onPut={(text) => session.paste(text)}
            onType={(text) => session.type(text)}
          />
        ) : null}
        <div className={classes.frame}>
          <div ref={place} className={classes.place} data-sizing={session.wishes.sizing} />
          {state === "on" || isIdle ? null : <Patience session={session} />}
        </div>
        <Text size="sm" c="dimmed" role="status">
          {state === "on" ? [describe?.(session.told), session.title].filter(Boolean).join(" · ") : ""}
          {state === "on" && session.isViewOnly ? " · view only: keys and pointer go nowhere" : ""}
          {state === "on" && !session.isViewOnly ? ` · ${WAY_OUT} leaves it with the keyboard` : ""}
        </Text>
      </section>
    </Stack>
  );
}

/** Why there is no picture yet, in place of it. */
function Patience({ session }: { session: DesktopSession }) {
  const { state, waiting } = session;
  return (
    <div className={classes.patience}>
      <Loader size="sm" />
      <Text role="status">
        {state === "waiting" ? waiting?.why || "Somebody at the device is asked" : null}
        {state === "starting" ? "Connecting…" : null}
        {state === "lost" ? `${session.message} It is taken up again.` : null}
      </Text>
      {waiting ? <Seconds until={waiting.until} /> : null}
    </div>
  );
}

/** Seconds that are left. Not read aloud as they go. */
function Seconds({ until }: { until: number }) {
  const [left, setLeft] = useState(() => leftUntil(until));
  useEffect(() => {
    const timer = setInterval(() => setLeft(leftUntil(until)), 500);
    return () => clearInterval(timer);
  }, [until]);
  return (
    <Text size="sm" c="dimmed" role="timer" aria-live="off">
      {left} s left
    </Text>
  );
}

function leftUntil(until: number): number {
  return Math.max(0, Math.ceil((until - Date.now()) / 1000));
}
