import { Alert, Button, Group, Select, Stack, Text } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconCamera,
  IconDeviceDesktop,
  IconDeviceDesktopOff,
  IconDownload,
  IconListSearch,
  IconPlayerPlay,
  IconPlayerStop,
  IconZoomScan,
} from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import { useMay } from "@/app/session";
import { useThisDevice } from "@/features/device/useThisDevice";
import { downloadBlob } from "@/ui/download";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { listScreen, takePicture, useScreen, type PictureFormat } from "./queries";
import classes from "./Screen.module.css";
import { useLiveView } from "./useLiveView";

const RATES = ["1", "2", "5", "10", "15"].map((value) => ({ value, label: `${value} a second` }));
const QUALITIES = [
  { value: "40", label: "Low" },
  { value: "60", label: "Medium" },
  { value: "85", label: "High" },
];
const FORMATS = [
  { value: "png", label: "PNG" },
  { value: "jpeg", label: "JPEG" },
  { value: "webp", label: "WebP" },
];
const UNLISTED = [
  { value: "1", label: "Monitor 1" },
  { value: "0", label: "All monitors" },
];

/** The screen of the signed-in user: a picture, or live. Only for those who may look. */
export function ScreenTab() {
  const device = useThisDevice();
  const may = useMay("screen.view");
  const guid = device?.guid ?? "";
  const asked = useScreen(guid, may && device !== undefined);
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const [user, setUser] = useState("");
  const [monitor, setMonitor] = useState("1");
  const [rate, setRate] = useState("10");
  const [quality, setQuality] = useState("60");
  const [format, setFormat] = useState<PictureFormat>("png");
  const [full, setFull] = useState(false);
  const [size, setSize] = useState<[number, number] | null>(null);
  const [taken, setTaken] = useState<{ blob: Blob; name: string } | null>(null);

  const shown = useCallback(() => {
    const { width = 0, height = 0 } = canvas.current ?? {};
    setSize((was) => (was?.[0] === width && was[1] === height ? was : [width, height]));
  }, []);
  const view = useLiveView(guid, canvas, shown);
  const listed = useMutation({ mutationFn: () => listScreen(guid, user) });
  const picture = useMutation({
    mutationFn: () => takePicture(guid, user, Number(monitor), format),
    onSuccess: async (blob) => {
      const bitmap = await createImageBitmap(blob);
      if (canvas.current) {
        canvas.current.width = bitmap.width;
        canvas.current.height = bitmap.height;
        canvas.current.getContext("2d")?.drawImage(bitmap, 0, 0);
      }
      bitmap.close();
      setTaken({ blob, name: `${device?.hostname ?? "screenshot"}.${format === "jpeg" ? "jpg" : format}` });
      shown();
    },
  });

  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not look at screens">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  const reachable = asked.data?.reachable ?? false;
  const users = asked.data?.users ?? [];
  const who = user || listed.data?.user || (users.length === 1 ? users[0] : "") || "";
  const isLive = view.state !== "off";
  const monitors = listed.data?.monitors.length
    ? listed.data.monitors
        .filter((one) => one.number > 0 || listed.data.monitors.length > 2)
        .map((one) => ({
          value: String(one.number),
          label: `${one.number === 0 ? "All monitors" : `Monitor ${one.number}`} (${one.width} × ${one.height})`,
        }))
    : UNLISTED;

  const save = () => {
    if (taken && !isLive) downloadBlob(taken.name, taken.blob);
    else canvas.current?.toBlob((blob) => blob && downloadBlob(`${device.hostname}.png`, blob), "image/png");
  };

  return (
    <Stack gap="md">
      <ErrorNote error={asked.error} what="Whether there is a screen could not be asked" onRetry={() => void asked.refetch()} />
      {asked.data && !reachable ? (
        <EmptyState icon={IconDeviceDesktopOff} title="There is no screen to look at now">
          Nobody is signed in on this device, the signed-in user&apos;s agent does not run, or the device is not connected.
        </EmptyState>
      ) : null}
      {reachable ? (
        <>
          <Group gap="sm" align="flex-end">
            {users.length > 1 || (user && !users.includes(user)) ? (
              <Select
                label="Whose"
                w={170}
                allowDeselect={false}
                data={[
                  { value: "", label: "Who sits there" },
                  ...[...new Set([...users, ...(user ? [user] : [])])].map((name) => ({ value: name, label: users.includes(name) ? name : `${name} (away)` })),
                ]}
                value={user}
                disabled={isLive}
                onChange={(value) => {
                  setUser(value ?? "");
                  setMonitor("1");
                  listed.reset();
                }}
              />
            ) : null}
            <Select
              label="Monitor"
              w={230}
              allowDeselect={false}
              data={monitors}
              value={monitor}
              disabled={isLive}
              onChange={(value) => setMonitor(value ?? "1")}
            />
            <Select
              label="Picture as"
              w={100}
              allowDeselect={false}
              data={FORMATS}
              value={format}
              onChange={(value) => setFormat((value ?? "png") as PictureFormat)}
            />
            <Button
              variant="default"
              leftSection={<IconCamera size={16} aria-hidden />}
              loading={picture.isPending}
              disabled={isLive}
              onClick={() => picture.mutate()}
            >
              Take a picture
            </Button>
            <Select
              label="Live, at most"
              w={150}
              allowDeselect={false}
              data={RATES}
              value={rate}
              disabled={isLive}
              onChange={(value) => setRate(value ?? "10")}
            />
            <Select
              label="Quality"
              w={110}
              allowDeselect={false}
              data={QUALITIES}
              value={quality}
              disabled={isLive}
              onChange={(value) => setQuality(value ?? "60")}
            />
            {isLive ? (
              <Button color="red" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={view.stop}>
                Stop the live view
              </Button>
            ) : (
              <Button
                leftSection={<IconPlayerPlay size={16} aria-hidden />}
                onClick={() => view.start({ user, monitor: Number(monitor), rate: Number(rate), quality: Number(quality) })}
              >
                Start a live view
              </Button>
            )}
            <Button
              variant="subtle"
              leftSection={<IconListSearch size={16} aria-hidden />}
              loading={listed.isPending}
              onClick={() => listed.mutate()}
            >
              List monitors and windows
            </Button>
          </Group>
          <Text size="sm" c="dimmed">
            {who ? `This is what ${who} has on the screen.` : "This is what the signed-in user has on the screen."} Each look is
            on record with your name, in the audit log and in the log of that user&apos;s agent; pictures are not stored.
          </Text>
        </>
      ) : null}
      <ErrorNote error={picture.error} what="No picture" />
      <ErrorNote error={view.error} what="No live view" />
      <ErrorNote error={listed.error} what="The monitors could not be listed" />
      {view.ended ? (
        <Alert color="yellow" variant="light" role="status" title="The live view ended">
          {view.ended}
        </Alert>
      ) : null}
      <div ref={frame} className={classes.frame} data-empty={size ? undefined : true}>
        <canvas
          ref={canvas}
          className={classes.picture}
          data-full={full || undefined}
          role="img"
          aria-label={`The screen of ${who || "the signed-in user"} on ${device.hostname}`}
        />
      </div>
      {size ? (
        <Group gap="sm" justify="space-between">
          <Text size="sm" c="dimmed" role="status">
            {size[0]} × {size[1]}
            {view.state === "on" ? `, live, ${view.rate.toFixed(0)} new pictures a second` : ""}
            {view.granted && view.state === "on" && String(view.granted.rate) !== rate
              ? `; at most ${view.granted.rate}, as somebody chose who watches already`
              : ""}
          </Text>
          <Group gap="xs">
            <Button
              size="compact-sm"
              variant="subtle"
              aria-pressed={full}
              leftSection={<IconZoomScan size={16} aria-hidden />}
              onClick={() => setFull(!full)}
            >
              {full ? "Fit the page" : "Full size"}
            </Button>
            <Button
              size="compact-sm"
              variant="subtle"
              leftSection={<IconArrowsMaximize size={16} aria-hidden />}
              onClick={() => void frame.current?.requestFullscreen()}
            >
              Whole screen
            </Button>
            <Button size="compact-sm" variant="subtle" leftSection={<IconDownload size={16} aria-hidden />} onClick={save}>
              Download
            </Button>
          </Group>
        </Group>
      ) : null}
      {reachable && !size ? (
        <EmptyState icon={IconDeviceDesktop} title="Nothing was looked at yet">
          Take a picture, or start a live view.
        </EmptyState>
      ) : null}
      {asked.data && asked.data.watchers.length > 0 ? (
        <Section title="Who watches live">
          <SimpleTable
            label="Who watches live"
            head={["Operator", "Whose", "Monitor", "Since"]}
            rows={asked.data.watchers.map((one, index) => ({
              key: String(index),
              cells: [one.username, one.user, one.monitor === 0 ? "all" : String(one.monitor), <TimeAgo key="since" at={one.since} />],
            }))}
          />
        </Section>
      ) : null}
      {listed.data ? (
        <Section title="Windows">
          {listed.data.note ? <Text size="sm">{listed.data.note}</Text> : null}
          <SimpleTable
            label="Windows"
            head={["Title", "Program", "At", "Size", ""]}
            rows={listed.data.windows.map((one) => ({
              key: String(one.id),
              cells: [
                one.title,
                one.program,
                `${one.x}, ${one.y}`,
                `${one.width} × ${one.height}`,
                one.active ? "active" : "",
              ],
            }))}
          />
        </Section>
      ) : null}
    </Stack>
  );
}
