import { ActionIcon, Alert, Button, Group, Stack, Text, TextInput, useComputedColorScheme } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconClipboardText,
  IconCopy,
  IconPlus,
  IconTerminal2,
  IconX,
} from "@tabler/icons-react";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useMay } from "@/app/session";
import { useThisDevice } from "@/features/device/useThisDevice";
import { Transfers } from "@/features/files/Transfers";
import { upload } from "@/features/files/uploads";
import { useDrop } from "@/features/files/useDrop";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { close, openAnother, restore, shellsOf, snapshot, subscribe } from "./desk";
import { Recordings } from "./Recordings";
import type { ShellSession } from "./session";
import classes from "./Shell.module.css";

const STATES: Record<ShellSession["state"], string> = {
  opening: "is being opened",
  open: "",
  away: "is coming back",
  over: "has ended",
};

/** Remote shells on this device, each in a tab of its own. */
export function ShellTab() {
  const device = useThisDevice();
  const may = useMay("shell");
  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not open shells">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  return <Shells key={device.guid} guid={device.guid} hostname={device.hostname} active={device.status === "active"} />;
}

function Shells({ guid, hostname, active }: { guid: string; hostname: string; active: boolean }) {
  const scheme = useComputedColorScheme("light");
  useSyncExternalStore(subscribe, snapshot);
  const [chosen, setChosen] = useState("");
  const [user, setUser] = useState("");
  const place = useRef<HTMLDivElement>(null);
  const mayFiles = useMay("files");

  useEffect(() => restore(scheme), [scheme]);

  const sessions = shellsOf(guid);
  const current = sessions.find((one) => one.id === chosen) ?? sessions.at(-1);

  useEffect(() => {
    for (const one of shellsOf(guid)) one.paint(scheme);
  }, [guid, scheme, sessions.length]);

  useEffect(() => {
    const parent = place.current;
    if (!parent || !current) return undefined;
    current.attach(parent);
    current.focus();
    const watcher = new ResizeObserver(() => current.fit());
    watcher.observe(parent);
    return () => {
      watcher.disconnect();
      current.detach();
    };
  }, [current]);

  // Files that are dropped on a terminal go to the home of the account that its shell runs as.
  const drop = useDrop(mayFiles && active && current !== undefined, (files) => {
    for (const file of files) upload({ guid, path: file.name, user: current?.user ?? "" }, file);
  });

  const open = () => setChosen(openAnother(guid, user.trim(), scheme).id);

  const opening = (
    <Group gap="xs" align="flex-end">
      <TextInput
        label="As"
        placeholder="the agent's account"
        w={190}
        maxLength={256}
        value={user}
        onChange={(event) => setUser(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && active) open();
        }}
      />
      <Button leftSection={<IconPlus size={16} aria-hidden />} disabled={!active} onClick={open}>
        {sessions.length > 0 ? "Another shell" : "Open a shell"}
      </Button>
    </Group>
  );

  if (!current) {
    return (
      <Stack gap="md">
        <EmptyState icon={IconTerminal2} title={`No shell is open on ${hostname}`} action={opening}>
          A shell runs as the agent&apos;s account, or as another one of the device. Who opened it, when and as whom is on
          record; what it prints may be recorded, what is typed is not.
        </EmptyState>
        <Recordings guid={guid} />
      </Stack>
    );
  }

  return (
    <Stack gap="sm">
      <div className={classes.bar}>
        <div role="tablist" aria-label={`Shells on ${hostname}`} className={classes.bar}>
          {sessions.map((one) => (
            <Button
              key={one.id}
              id={`shell-tab-${one.id}`}
              role="tab"
              aria-selected={one === current}
              aria-controls="shell-screen"
              size="compact-md"
              variant={one === current ? "light" : "default"}
              leftSection={<IconTerminal2 size={16} aria-hidden />}
              onClick={() => {
                setChosen(one.id);
                one.focus();
              }}
            >
              {one.number}
              {one.account ? ` · ${one.account}` : one.user ? ` · ${one.user}` : ""}
              {STATES[one.state] ? ` (${STATES[one.state]})` : ""}
            </Button>
          ))}
        </div>
        <ActionIcon
          variant="subtle"
          aria-label={`Close shell ${current.number}`}
          title="Close this shell and all that runs in it"
          onClick={() => close(current)}
        >
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </div>
      {current.error ? <ErrorNote error={current.error} what="No shell" /> : null}
      {current.state === "away" ? (
        <Alert color="yellow" variant="light" role="status" title="The connection to the shell was lost">
          {current.message} It is taken up again as soon as that is possible.
        </Alert>
      ) : null}
      {current.state === "over" && !current.error ? (
        <Alert color="gray" variant="light" role="status" title="The shell has ended">
          {current.message}
        </Alert>
      ) : null}
      <div id="shell-screen" role="tabpanel" aria-label={`Shell ${current.number} on ${hostname}`} ref={place} className={classes.screen} data-over={drop.over || undefined} {...drop.handlers} />
      {mayFiles ? <Transfers guid={guid} /> : null}
      <Group gap="xs" justify="space-between" align="flex-end">
        <Text size="sm" c="dimmed" role="status">
          {current.state === "opening" ? "Opening the shell…" : current.account ? `${current.shell} as ${current.account}` : ""}
          {current.recorded ? " · what it prints is recorded" : ""}
          {" · Ctrl-Shift-C copies, Ctrl-Shift-V pastes, Ctrl-Shift-E leaves the terminal"}
        </Text>
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconCopy size={16} aria-hidden />}
            onClick={() => void current.copy()}
          >
            Copy
          </Button>
          <Button
            size="compact-sm"
            variant="subtle"
            disabled={current.state !== "open"}
            leftSection={<IconClipboardText size={16} aria-hidden />}
            onClick={() => void current.paste()}
          >
            Paste
          </Button>
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconArrowsMaximize size={16} aria-hidden />}
            onClick={() => void place.current?.requestFullscreen()}
          >
            Whole screen
          </Button>
        </Group>
      </Group>
      {opening}
      <Recordings guid={guid} />
    </Stack>
  );
}
