import { ActionIcon, Button, Group, Progress, Stack, Text } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconX } from "@tabler/icons-react";
import { useEffect, useSyncExternalStore } from "react";
import { describe } from "@/api/errors";
import { useMe } from "@/app/session";
import { bytes, duration } from "@/ui/time";
import classes from "./Files.module.css";
import { endTransfer, useTransfers, type TransferRow } from "./queries";
import type { Upload } from "./upload";
import { anyUnderWay, clearOver, snapshot, subscribe, uploadsOf } from "./uploads";

/** Files on their way: those that this page brings, and all others that the Engine knows of. */
export function Transfers({ guid }: { guid: string }) {
  useSyncExternalStore(subscribe, snapshot);
  const me = useMe();
  const others = useTransfers(guid, true);
  const uploads = uploadsOf(guid);

  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (anyUnderWay()) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);

  const shown = (others.data ?? []).filter(
    (row) => row.down || row.username !== me?.username || !uploads.some((one) => one.place.path === row.path),
  );
  if (uploads.length === 0 && shown.length === 0) return null;
  const over = uploads.some((one) => one.state === "done" || one.state === "failed");
  return (
    <Stack gap="xs" component="section" aria-label="Files on their way">
      {uploads.map((one) => (
        <UploadLine key={one.id} upload={one} />
      ))}
      {shown.map((row) => (
        <OtherLine key={row.transfer_id} row={row} own={row.username === me?.username} />
      ))}
      {over ? (
        <Group justify="flex-end">
          <Button size="compact-xs" variant="subtle" onClick={() => clearOver(guid)}>
            Clear what is over
          </Button>
        </Group>
      ) : null}
    </Stack>
  );
}

function UploadLine({ upload }: { upload: Upload }) {
  const { state, file, done } = upload;
  const name = file.name;
  const moving = state === "running" || state === "waiting" || state === "away";
  return (
    <div className={classes.transfer} data-state={state}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text size="sm" fw={550} truncate title={upload.place.path}>
          {name}
        </Text>
        <Group gap={4} wrap="nowrap">
          {state === "exists" ? (
            <Button size="compact-xs" variant="light" color="red" onClick={() => upload.replace()}>
              Replace
            </Button>
          ) : null}
          {moving ? (
            <ActionIcon variant="subtle" aria-label={`Pause ${name}`} onClick={() => upload.pause()}>
              <IconPlayerPause size={16} aria-hidden />
            </ActionIcon>
          ) : null}
          {state === "paused" || state === "failed" ? (
            <ActionIcon variant="subtle" aria-label={`Go on with ${name}`} onClick={() => upload.start()}>
              <IconPlayerPlay size={16} aria-hidden />
            </ActionIcon>
          ) : null}
          {state === "done" ? null : (
            <ActionIcon variant="subtle" aria-label={`Do not bring ${name}`} onClick={() => upload.drop()}>
              <IconX size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      </Group>
      <Progress
        value={file.size === 0 ? (state === "done" ? 100 : 0) : (100 * done) / file.size}
        size="sm"
        transitionDuration={0}
        {...(state === "failed" || state === "exists" ? { color: "red" } : state === "away" ? { color: "yellow" } : {})}
        aria-label={`${name}: how much has arrived`}
      />
      <Text size="xs" c="dimmed" role="status">
        {sentence(upload)}
      </Text>
    </div>
  );
}

function sentence(upload: Upload): string {
  const { state, done, rate, error, file } = upload;
  const much = `${bytes(done)} of ${bytes(file.size)}`;
  switch (state) {
    case "waiting":
      return "Waits for others";
    case "running":
      return rate > 0 ? `${much} · ${bytes(rate)}/s · ${duration((file.size - done) / rate)} left` : much;
    case "paused":
      return `Paused · ${much}`;
    case "away":
      return `${describe(error).sentence} Goes on by itself · ${much}`;
    case "exists":
      return "A file of this name is there already.";
    case "done":
      return `Arrived · ${bytes(file.size)}`;
    default:
      return `${describe(error).sentence} (${describe(error).code})`;
  }
}

function OtherLine({ row, own }: { row: TransferRow; own: boolean }) {
  const name = row.path.split(/[/\\]/).at(-1) ?? row.path;
  return (
    <div className={classes.transfer}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text size="sm" fw={550} truncate title={row.path}>
          {name}
        </Text>
        <ActionIcon variant="subtle" aria-label={`End the transfer of ${name}`} onClick={() => void endTransfer(row.transfer_id)}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </Group>
      <Progress
        value={row.size === 0 ? 0 : (100 * row.done) / row.size}
        size="sm"
        transitionDuration={0}
        aria-label={`${name}: how much has gone by`}
      />
      <Text size="xs" c="dimmed">
        {row.down ? "From the device" : "To the device"}
        {own ? "" : ` by ${row.username}`} · {bytes(row.done)} of {bytes(row.size)}
      </Text>
    </div>
  );
}
