import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useMay } from "@/app/session";
import type { DeviceFull } from "@/features/devices/queries";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { bytes } from "@/ui/time";
import { TimeAgo } from "@/ui/TimeAgo";
import { readPorts } from "./ports";
import { connect, disconnect, setPorts, usePorts, useTunnel, useTunnelAct, type Tunnel } from "./queries";

/** Why there can be no tunnel now; empty where there can. */
function hindrance(tunnel: Tunnel, status: string): string {
  if (tunnel.unavailable) return `This Engine has no tunnels: ${tunnel.unavailable}.`;
  if (status !== "active") return `The device is ${status}.`;
  if (!tunnel.agent_socket) return "The device is not connected now.";
  return tunnel.supported ? "" : "The device's agent offers no tunnel; its role WireGuardTunnel says why.";
}

/** The tunnel to a device: is it up, who holds it, and to which ports. */
export function TunnelSection({ device }: { device: DeviceFull }) {
  const may = useMay("tunnels.use");
  const mayEdit = useMay("devices.edit");
  const asked = useTunnel(device.guid, may);
  const list = usePorts(device.guid, may);
  const [ending, setEnding] = useState(false);
  const [typed, setTyped] = useState<string | null>(null);
  const act = useTunnelAct(device.guid);
  const end = useTunnelAct(device.guid, () => setEnding(false));
  const edit = useTunnelAct(device.guid, () => setTyped(null));

  if (!may) return null;
  const tunnel = asked.data;
  if (!tunnel) {
    return (
      <Section title="Tunnel">
        <ErrorNote error={asked.error} what="The tunnel could not be read" onRetry={() => void asked.refetch()} />
        {asked.isPending ? <Loading /> : null}
      </Section>
    );
  }
  const up = tunnel.status === "up";
  const why = up ? "" : hindrance(tunnel, device.status);
  const ports = list.data;
  const chosen = typed === null ? [] : readPorts(typed);
  const wrong = typeof chosen === "string" ? chosen : null;
  const closeEdit = () => {
    setTyped(null);
    edit.reset();
  };
  return (
    <Section title="Tunnel">
      <Stack gap="sm">
        <Facts
          columns={2}
          facts={[
            ["State", up ? "up" : "down"],
            ["Since", up ? <TimeAgo key="since" at={tunnel.started_at} /> : ""],
            ["Held by", tunnel.operators.join(", ")],
            ["Last used", up ? <TimeAgo key="used" at={tunnel.last_used} /> : ""],
            ["Last handshake", up ? <TimeAgo key="hands" at={tunnel.handshake} never="not yet" /> : ""],
            ["Address", tunnel.virtual_ip.replace("/32", "")],
            ["Sent, received", up ? `${bytes(tunnel.sent)}, ${bytes(tunnel.received)}` : ""],
            ["Allowed ports", ports ? ports.allowed_ports.join(", ") || "none" : ""],
            ["Ports set", ports?.custom ? `by ${ports.updated_by}` : ports ? "no, the default" : ""],
            ["Trouble", tunnel.detail],
          ]}
        />
        {why ? (
          <Text size="sm" c="dimmed">
            {why}
          </Text>
        ) : null}
        <ErrorNote error={list.error} what="The list of ports could not be read" onRetry={() => void list.refetch()} />
        <ErrorNote error={act.error} />
        <Group gap="xs">
          {why ? null : (
            <Button
              size="compact-sm"
              variant="default"
              loading={act.isPending}
              onClick={() => act.mutate(() => connect(device.guid))}
            >
              {up ? "Share" : "Connect"}
            </Button>
          )}
          {up ? (
            <>
              <Button
                size="compact-sm"
                variant="default"
                loading={act.isPending}
                onClick={() => act.mutate(() => disconnect(device.guid, false))}
              >
                Let go
              </Button>
              <Button size="compact-sm" variant="default" onClick={() => setEnding(true)}>
                End for everybody…
              </Button>
            </>
          ) : null}
          {mayEdit && ports ? (
            <Button size="compact-sm" variant="default" onClick={() => setTyped(ports.allowed_ports.join(", "))}>
              Ports…
            </Button>
          ) : null}
        </Group>
      </Stack>
      <Confirm
        opened={ending}
        onClose={() => {
          setEnding(false);
          end.reset();
        }}
        title={`End the tunnel to ${device.hostname}`}
        act="End it"
        onAct={() => end.mutate(() => disconnect(device.guid, true))}
        busy={end.isPending}
        error={end.error}
        danger
      >
        What {tunnel.operators.join(", ") || "others"} do in it ends at once.
      </Confirm>
      <Confirm
        opened={typed !== null}
        onClose={closeEdit}
        title={`Ports of ${device.hostname}`}
        act="Change"
        onAct={() => edit.mutate(() => setPorts(device.guid, Array.isArray(chosen) ? chosen : []))}
        busy={edit.isPending}
        error={edit.error}
        ready={wrong === null}
      >
        <Stack gap="sm">
          <TextInput
            label="Allowed ports"
            description="TCP, with commas between them. What is not on the list is dropped at both ends, at once."
            value={typed ?? ""}
            error={wrong}
            data-autofocus
            autoComplete="off"
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          {ports?.custom ? (
            <div>
              <Button
                size="compact-sm"
                variant="subtle"
                onClick={() => edit.mutate(() => setPorts(device.guid, null))}
                loading={edit.isPending}
              >
                Back to the default: {ports.default_ports.join(", ")}
              </Button>
            </div>
          ) : null}
        </Stack>
      </Confirm>
    </Section>
  );
}
