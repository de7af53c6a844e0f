import { Alert, Button, SegmentedControl, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useCallback, useId, useState } from "react";
import { useMay } from "@/app/session";
import { plain } from "@/features/device/inventory";
import { useThisDevice } from "@/features/device/useThisDevice";
import type { DeviceFull } from "@/features/devices/queries";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { inWords, policyOf } from "./policy";
import { askForDesktop, endDesktop, useDesktopPolicies, useOpenDesktops, type NewDesktop } from "./queries";
import { Viewer } from "./Viewer";

type Which = NewDesktop["kind"];
const WHICH: readonly { value: Which; label: string }[] = [
  { value: "screen", label: "Its screen" },
  { value: "own", label: "One of its own" },
];
/** What surrounds the picture in the page, roughly; the desktop can be resized later. */
const AROUND = { width: 320, height: 380 };
const [LEAST, MOST] = [640, 3840];

function around(size: number, taken: number): number {
  return Math.min(MOST, Math.max(LEAST, size - taken));
}

/** The desktop of this device: of who is signed in, or one of its own. */
export function DesktopTab() {
  const device = useThisDevice();
  const may = useMay("desktop");
  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not see desktops">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  return <Desktop key={device.guid} device={device} />;
}

function Desktop({ device }: { device: DeviceFull }) {
  const label = useId();
  const [kind, setKind] = useState<Which>("screen");
  const [user, setUser] = useState("");
  const [viewOnly, setViewOnly] = useState(false);
  const policies = useDesktopPolicies(useMay("sites.read"));
  const policy = policyOf(policies.data, device.site_id);
  const { guid } = device;

  const start = useCallback(async () => {
    const given = await askForDesktop({
      agent_id: guid,
      kind,
      user: user.trim(),
      view_only: viewOnly,
      width: around(window.innerWidth, AROUND.width),
      height: around(window.innerHeight, AROUND.height),
    });
    return { path: given.path, token: given.token, viewOnly: given.view_only };
  }, [guid, kind, user, viewOnly]);

  return (
    <Stack gap="md">
      <Readiness device={device} />
      <Viewer
        title={`The desktop of ${device.hostname}`}
        start={start}
        act="Open the desktop"
        ready={device.status === "active" && (kind === "screen" || user.trim() !== "")}
        describe={(told) => whose(told)}
        buttons={{ resize: kind === "own" }}
      >
        <div>
          <Text id={label} size="sm" fw={500} mb={4}>
            Which
          </Text>
          <SegmentedControl
            aria-labelledby={label}
            data={[...WHICH]}
            value={kind}
            onChange={(value) => setKind(value)}
          />
        </div>
        <TextInput
          label="Account"
          placeholder={kind === "own" ? "who works there" : "whoever is at the screen"}
          required={kind === "own"}
          w={210}
          maxLength={256}
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
        />
        <Switch
          mb={8}
          label="View only"
          checked={viewOnly || (policy?.view_only ?? false)}
          disabled={policy?.view_only ?? false}
          onChange={(event) => setViewOnly(event.currentTarget.checked)}
        />
      </Viewer>
      <Text size="sm" c="dimmed">
        {kind === "own"
          ? "A desktop of its own is begun for the account. It waits five minutes for you when the connection is lost."
          : "The signed-in user sees that you watch, as long as you do."}{" "}
        {policy ? `Policy here: ${inWords(policy)}. ` : ""}Who watched, when, and what the user answered is on record.
      </Text>
      <Watching guid={guid} />
    </Stack>
  );
}

/** What the device's agent says of its role VNC, where it is not simply ready. */
function Readiness({ device }: { device: DeviceFull }) {
  const role = (device.roles as Record<string, Record<string, unknown>>)["VNC"];
  if (!role) {
    return (
      <Alert color="yellow" variant="light" role="status" title="Its agent reports no role VNC">
        It may be too old, or may not have called yet. Without that role nobody can see a desktop there.
      </Alert>
    );
  }
  const [state, reason, servers] = [plain(role["state"]), plain(role["reason"]), plain(role["servers"])];
  if (state === "running" && servers) return null;
  return (
    <Alert color="yellow" variant="light" role="status" title="Desktops may not be ready there">
      {state === "running" ? "No program that shows a desktop is installed on this device: x11vnc for its screen, Xvnc for one of its own." : `Role VNC: ${state}. ${reason}`}
    </Alert>
  );
}

function whose(told: Readonly<Record<string, unknown>>): string {
  const user = plain(told["user"]);
  if (!user) return "";
  if (told["kind"] === "own") return `a desktop of its own, as ${user}`;
  return told["signed_in"] === false ? `the screen where ${user} waits for a sign-in` : `what ${user} sees`;
}

/** Who has a desktop open on this device. */
function Watching({ guid }: { guid: string }) {
  const open = useOpenDesktops(guid, true);
  const end = useMutation({ mutationFn: endDesktop, onSuccess: () => open.refetch() });
  if (!open.data?.length && !end.error) return null;
  return (
    <Section title="Who sees a desktop here">
      <ErrorNote error={end.error} what="It was not ended" />
      <SimpleTable
        label="Who sees a desktop here"
        head={["Operator", "Desktop", "Since", ""]}
        rows={(open.data ?? []).map((one) => ({
          key: one.id,
          cells: [
            one.username,
            [one.kind === "own" ? "of its own" : "screen", one.user ? `of ${one.user}` : "", one.view_only ? "view only" : ""]
              .filter(Boolean)
              .join(", "),
            <TimeAgo key="since" at={one.since} />,
            <Button
              key="end"
              size="compact-sm"
              variant="subtle"
              color="red"
              aria-label={`End the connection of ${one.username}`}
              onClick={() => end.mutate(one.id)}
            >
              End
            </Button>,
          ],
        }))}
      />
    </Section>
  );
}
