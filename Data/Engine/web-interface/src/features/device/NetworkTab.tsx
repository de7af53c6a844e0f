import { Stack } from "@mantine/core";
import { Forwards } from "@/features/tunnel/Forwards";
import { TunnelSection } from "@/features/tunnel/TunnelSection";
import { Facts } from "@/ui/Facts";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { number, part, parts, text, words } from "./inventory";
import { NoInventory } from "./NoInventory";
import { RemoteDesktop } from "./RemoteDesktop";
import { useThisDevice } from "./useThisDevice";

/** Adapters, routes, names, and what listens. */
export function NetworkTab() {
  const device = useThisDevice();
  if (!device) return null;
  const adapters = parts(device.details, "network");
  const routing = part(device.details, "routing");
  const listening = part(device.details, "listening");
  if (adapters.length === 0) {
    return (
      <Stack gap="xl">
        <NoInventory what="network" />
        <RemoteDesktop device={device} />
        <TunnelSection device={device} />
        <Forwards guid={device.guid} />
      </Stack>
    );
  }
  return (
    <Stack gap="xl">
      <Section title="Adapters">
        <SimpleTable
          label="Network adapters"
          head={["Adapter", "State", "Addresses", "MAC", "Speed"]}
          rows={adapters.map((adapter, place) => {
            const speed = number(adapter, "speed_mbps");
            return {
              key: `${text(adapter, "adapter")} ${place}`,
              cells: [
                text(adapter, "adapter"),
                text(adapter, "state"),
                words(adapter, "ips").map((ip) => <div key={ip}>{ip}</div>),
                text(adapter, "mac"),
                speed ? `${speed} Mbit/s` : "",
              ],
            };
          })}
        />
      </Section>
      <Section title="Routes and names">
        <Facts
          columns={2}
          facts={[
            ["Gateways", parts(routing, "default_routes").map((route) => `${text(route, "gateway")} by ${text(route, "adapter")}`).join(", ")],
            ["DNS servers", words(routing, "dns_servers").join(", ")],
            ["Search domains", words(routing, "dns_search").join(", ")],
            ["Proxy", text(routing, "proxy")],
            ["Listens on TCP", words(listening, "tcp").join(", ")],
            ["Listens on UDP", words(listening, "udp").join(", ")],
          ]}
        />
      </Section>
      <RemoteDesktop device={device} />
      <TunnelSection device={device} />
      <Forwards guid={device.guid} />
    </Stack>
  );
}
