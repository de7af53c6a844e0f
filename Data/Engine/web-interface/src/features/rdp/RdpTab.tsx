import { Alert, Button, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { useMay } from "@/app/session";
import { Viewer } from "@/features/desktop/Viewer";
import { part, text, words } from "@/features/device/inventory";
import { useThisDevice } from "@/features/device/useThisDevice";
import type { DeviceFull } from "@/features/devices/queries";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { changedTo } from "./certificate";
import { askForRdp, endRdp, RDP_STREAM, useOpenRdp, type OpenRdp } from "./queries";

/** What surrounds the picture in the page, roughly: a device is asked for a screen that fits. */
const AROUND = { width: 320, height: 400 };
const [LEAST, MOST] = [640, 3840];

function fitting(size: number, taken: number): number {
  return Math.min(MOST, Math.max(LEAST, size - taken));
}

/** The remote desktop of this device, where it speaks RDP. */
export function RdpTab() {
  const device = useThisDevice();
  const may = useMay("desktop");
  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not see desktops">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  return <Rdp key={device.guid} device={device} />;
}

function Rdp({ device }: { device: DeviceFull }) {
  const { guid } = device;
  const [username, setUsername] = useState("");
  const [domain, setDomain] = useState("");
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState("");
  const [trusted, setTrusted] = useState("");
  const open = useOpenRdp(guid);

  const start = useCallback(async () => {
    setShown("");
    try {
      const given = await askForRdp({
        agent_id: guid,
        username: username.trim(),
        domain: domain.trim(),
        password,
        width: fitting(window.innerWidth, AROUND.width),
        height: fitting(window.innerHeight, AROUND.height),
        certificate: trusted,
      });
      setTrusted("");
      return { path: RDP_STREAM, token: given.token };
    } catch (problem) {
      setShown(changedTo(problem));
      throw problem;
    }
  }, [guid, username, domain, password, trusted]);

  return (
    <Stack gap="md">
      <Readiness device={device} unavailable={open.data?.unavailable ?? ""} />
      {shown ? (
        <Alert color="yellow" variant="light" role="status" title="The device shows another certificate than before">
          <Stack gap="xs" align="flex-start">
            <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {shown}
            </Text>
            <Button
              size="compact-sm"
              variant="default"
              disabled={trusted === shown}
              onClick={() => setTrusted(shown)}
            >
              {trusted === shown ? "Trusted: sign in again" : "I compared it: trust it from now on"}
            </Button>
          </Stack>
        </Alert>
      ) : null}
      <Viewer
        title={`The remote desktop of ${device.hostname}`}
        start={start}
        act="Sign in"
        ready={device.status === "active" && username.trim() !== ""}
        describe={describe}
        buttons={{ resize: false, consoles: false }}
      >
        <TextInput
          label="User name"
          required
          w={190}
          maxLength={256}
          autoComplete="off"
          spellCheck={false}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          w={190}
          maxLength={256}
          autoComplete="off"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <TextInput
          label="Domain"
          placeholder="none"
          w={150}
          maxLength={256}
          autoComplete="off"
          spellCheck={false}
          value={domain}
          onChange={(event) => setDomain(event.currentTarget.value)}
        />
      </Viewer>
      <Text size="sm" c="dimmed">
        You sign in with an account of the device. The password goes through the tunnel and is kept nowhere; who signed in, as
        whom and when is on record. Text can be copied both ways; files, printers and sound are not passed on. The desktop has
        a US keyboard: letters of other keyboards get there by the clipboard.
      </Text>
      <Sessions open={open.data?.sessions ?? []} onEnded={() => void open.refetch()} />
    </Stack>
  );
}

function describe(told: Readonly<Record<string, unknown>>): string {
  return told["nla"] === false
    ? "this device checks the account by itself: if it says in its own window that the login failed, end and sign in again"
    : "";
}

/** What the device said of its remote desktop, where it is not simply ready, and the way to where that is changed. */
function Readiness({ device, unavailable }: { device: DeviceFull; unavailable: string }) {
  const report = part(device.details, "remote_desktop");
  const isKnown = Object.keys(report).length > 0;
  const isAlone = report["ready"] === true && text(report, "reach") === "this machine";
  return (
    <>
      {unavailable ? (
        <Alert color="yellow" variant="light" role="status" title="This Engine shows no remote desktops by RDP yet">
          {unavailable}
        </Alert>
      ) : null}
      {isKnown && (report["ready"] !== true || isAlone) ? (
        <Alert
          color="yellow"
          variant="light"
          role="status"
          title={isAlone ? "It can be reached from the device itself alone" : "The device says that it is not ready"}
        >
          <Group gap="sm" align="center">
            <Text size="sm" flex={1}>
              {isAlone
                ? "Its RDP server listens on 127.0.0.1, where the tunnel does not get to. Prepare it for other machines too."
                : `${words(report, "problems").join("; ") || "Nobody can reach it"}.`}
            </Text>
            <Button component={Link} to={`/devices/${device.guid}/network`} size="compact-sm" variant="default">
              Make it ready
            </Button>
          </Group>
        </Alert>
      ) : null}
    </>
  );
}

/** Who has a remote desktop open here. */
function Sessions({ open, onEnded }: { open: readonly OpenRdp[]; onEnded: () => void }) {
  const end = useMutation({ mutationFn: endRdp, onSuccess: onEnded });
  if (open.length === 0 && !end.error) return null;
  return (
    <Section title="Who has a remote desktop here">
      <ErrorNote error={end.error} what="It was not ended" />
      <SimpleTable
        label="Who has a remote desktop here"
        head={["Operator", "Signed in as", "Since", ""]}
        rows={open.map((one) => ({
          key: one.session_id,
          cells: [
            one.username,
            one.user,
            <TimeAgo key="since" at={one.since} />,
            <Button
              key="end"
              size="compact-sm"
              variant="default"
              color="red"
              aria-label={`End the remote desktop of ${one.username}`}
              onClick={() => end.mutate(one.session_id)}
            >
              End
            </Button>,
          ],
        }))}
      />
    </Section>
  );
}
