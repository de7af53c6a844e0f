import { SimpleGrid, Text } from "@mantine/core";
import { MachineSection } from "@/features/credentials/MachineSection";
import { CopyValue } from "@/ui/CopyValue";
import { Facts } from "@/ui/Facts";
import { Fingerprint } from "@/ui/Fingerprint";
import { Section } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { bytes, duration } from "@/ui/time";
import { number, part, text, words } from "./inventory";
import { useThisDevice } from "./useThisDevice";

const CONTEXT_WORDS: Record<string, string> = { system: "SYSTEM", interactive: "signed-in user" };

/** Upstream's words for what is not known; agents send them. */
const NOBODY = "No Users Logged In";

function signedIn(one: { user: string; active: boolean }): string {
  return `${one.user || "somebody"}${one.active ? " (at the machine's screen)" : ""}`;
}

function known(value: string): string {
  return value.startsWith("<Unable") ? "" : value;
}

/** What a person asks first. */
export function SummaryTab() {
  const device = useThisDevice();
  if (!device) return null;
  if (!device.has_agent) return <MachineSection guid={device.guid} />;
  const summary = part(device.details, "summary");
  const updates = part(device.details, "updates");
  const ram = number(summary, "total_ram");
  const pending = number(updates, "pending");
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xl" verticalSpacing="xl">
      <Section title="Machine">
        <Facts
          facts={[
            ["Operating system", device.operating_system],
            ["Kind", device.device_type],
            ["Model", [text(summary, "manufacturer"), text(summary, "model")].filter(Boolean).join(" ")],
            ["Serial number", known(text(summary, "serial_number"))],
            ["Processor", text(summary, "processor")],
            ["Memory", ram ? bytes(ram) : ""],
            ["Own host name", device.reported_hostname === device.hostname ? "" : device.reported_hostname],
            ["Domain", device.domain],
            ["Description", device.description],
          ]}
        />
      </Section>
      <Section title="Now">
        <Facts
          facts={[
            ["Last user", device.last_user === NOBODY ? "nobody is signed in" : device.last_user],
            ["Signed in with an agent", device.presence.users.map(signedIn).join(", ")],
            ["Up for", device.uptime > 0 ? duration(device.uptime) : ""],
            ["Last restart", device.last_reboot ? `${device.last_reboot} UTC` : ""],
            ["CPU in use", device.cpu_percent === null ? "" : `${Math.round(device.cpu_percent)} %`],
            ["Memory in use", device.memory_percent === null ? "" : `${Math.round(device.memory_percent)} %`],
            ["Restart wanted", updates["reboot_required"] === true ? words(updates, "reboot_required_by").join(", ") || "yes" : ""],
            ["Updates waiting", pending === null ? "" : String(pending)],
            [
              "Connected as",
              device.presence.contexts.length > 0
                ? device.presence.contexts.map((context) => CONTEXT_WORDS[context] ?? context).join(", ")
                : "not connected",
            ],
          ]}
        />
      </Section>
      <Section title="Network">
        <Facts
          facts={[
            ["Address", device.internal_ip ? <CopyValue value={device.internal_ip} name="address" plain /> : ""],
            ["Public address", device.external_ip ? <CopyValue value={device.external_ip} name="public address" plain /> : ""],
            ["Calls from", device.address],
          ]}
        />
      </Section>
      <Section title="Identity">
        <Facts
          facts={[
            ["GUID", <CopyValue key="guid" value={device.guid} name="GUID" />],
            ["Key fingerprint", <Fingerprint key="print" value={device.ssl_key_fingerprint} />],
            ["Key since", <TimeAgo key="key" at={device.key_added_at} never="unknown" />],
            ["Enrolled", <TimeAgo key="enrolled" at={device.created_at} never="unknown" />],
            ["Agent", device.agent_build_id ? <CopyValue value={device.agent_build_id} name="agent's build" /> : ""],
            ["Agent's id", <Text key="id" size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>{device.agent_id}</Text>],
          ]}
        />
      </Section>
    </SimpleGrid>
  );
}
