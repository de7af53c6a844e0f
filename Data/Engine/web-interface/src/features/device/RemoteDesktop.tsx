import { Button, Checkbox, Group, List, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import type { DeviceFull } from "@/features/devices/queries";
import { Confirm } from "@/ui/Confirm";
import { Facts } from "@/ui/Facts";
import { Section } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { number, part, text, words } from "./inventory";

type Order = "prepare" | "undo" | "look";

/** Is the device ready for remote desktop, and the orders to make it so. Nothing where it never said. */
export function RemoteDesktop({ device }: { device: DeviceFull }) {
  const report = part(device.details, "remote_desktop");
  const may = useMay("runs.start");
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Order | null>(null);
  const [open, setOpen] = useState(false);
  const ordered = useMutation({
    mutationFn: async (order: Order) => {
      const params = { params: { path: { guid: device.guid } } };
      if (order === "undo") return take(api.POST("/api/devices/{guid}/remote_desktop/undo", params));
      if (order === "look") return take(api.POST("/api/devices/{guid}/remote_desktop/look", params));
      return take(api.POST("/api/devices/{guid}/remote_desktop/prepare", { ...params, body: { open_network: open } }));
    },
    onSuccess: ({ run }) => navigate({ to: "/runs/$runId", params: { runId: run.run_id } }),
  });

  if (Object.keys(report).length === 0) return null;
  const ready = report["ready"] === true;
  const problems = words(report, "problems");
  const changes = words(report, "changes");
  const cannot = text(report, "cannot_prepare");
  const wall = text(report, "firewall");
  const close = () => {
    setAsked(null);
    ordered.reset();
  };
  return (
    <Section title="Remote desktop">
      <Stack gap="sm">
        <Facts
          columns={2}
          facts={[
            ["State", ready ? "ready" : `not ready: ${problems.join("; ") || "nobody can reach it"}`],
            ["Server", report["installed"] === true ? [text(report, "server"), text(report, "version")].join(" ") : "not installed"],
            ["Reachable from", text(report, "reach")],
            ["Listens on", words(report, "listening").map((address) => `${address} port ${text(report, "port")}`).join(", ")],
            ["Encryption", text(report, "encryption")],
            ["Session", text(report, "session")],
            ["Firewall", wall && typeof report["firewall_open"] === "boolean" ? `${wall}, ${report["firewall_open"] ? "open" : "closed"}` : wall],
            ["Looked at", <TimeAgo key="looked" at={number(report, "looked_at") ?? 0} never="unknown" />],
          ]}
        />
        {changes.length > 0 ? (
          <div>
            <Text size="sm">Changed here by Borealis, and undone by “Undo”:</Text>
            <List size="sm">
              {changes.map((change) => (
                <List.Item key={change}>{change}</List.Item>
              ))}
            </List>
          </div>
        ) : null}
        {may ? (
          <Group gap="xs">
            {!cannot ? (
              <Button size="compact-sm" variant="default" onClick={() => setAsked("prepare")}>
                Prepare…
              </Button>
            ) : null}
            {changes.length > 0 ? (
              <Button size="compact-sm" variant="default" onClick={() => setAsked("undo")}>
                Undo…
              </Button>
            ) : null}
            <Button size="compact-sm" variant="default" onClick={() => setAsked("look")}>
              Look again…
            </Button>
          </Group>
        ) : null}
        {may && cannot ? (
          <Text size="sm" c="dimmed">
            It cannot be prepared: {cannot}.
          </Text>
        ) : null}
      </Stack>
      <Confirm
        opened={asked === "prepare"}
        onClose={close}
        title={`Prepare remote desktop on ${device.hostname}`}
        act="Prepare"
        onAct={() => ordered.mutate("prepare")}
        busy={ordered.isPending}
        error={ordered.error}
      >
        <Stack gap="sm">
          <div>What is missing is installed and started. Each change is on record there and can be undone.</div>
          <Checkbox
            label="Let other machines connect too"
            description="It then listens on every address, and its firewall lets port 3389 in."
            checked={open}
            onChange={(event) => setOpen(event.currentTarget.checked)}
          />
        </Stack>
      </Confirm>
      <Confirm
        opened={asked === "undo"}
        onClose={close}
        title={`Undo on ${device.hostname}`}
        act="Undo"
        onAct={() => ordered.mutate("undo")}
        busy={ordered.isPending}
        error={ordered.error}
        danger
      >
        Everything in the list is put back as it was before. Sessions there end.
      </Confirm>
      <Confirm
        opened={asked === "look"}
        onClose={close}
        title={`Look again at ${device.hostname}`}
        act="Look"
        onAct={() => ordered.mutate("look")}
        busy={ordered.isPending}
        error={ordered.error}
      >
        The device looks now and tells what it sees. It changes nothing; by itself it looks every five minutes.
      </Confirm>
    </Section>
  );
}
