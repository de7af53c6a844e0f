import { Stack } from "@mantine/core";
import { Facts, type Fact } from "@/ui/Facts";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { bytes } from "@/ui/time";
import { number, part, parts, plain, text, type Part } from "./inventory";
import { NoInventory } from "./NoInventory";
import { useThisDevice } from "./useThisDevice";

function named(from: Part, names: readonly (readonly [string, string])[]): Fact[] {
  return names.map(([name, label]) => [label, text(from, name)] as const);
}

/** Processor, memory, board, firmware, cards. */
export function HardwareTab() {
  const device = useThisDevice();
  if (!device) return null;
  const details = device.details;
  const cpu = part(details, "cpu");
  const hardware = part(details, "hardware");
  const memory = parts(details, "memory");
  const totals = part(details, "memory_totals");
  const virtual = part(details, "virtualization");
  const cards = [...parts(details, "gpu").map((card) => ["Graphics", card] as const), ...parts(details, "pci").map((card) => [text(card, "class") || "PCI", card] as const)];
  const usb = parts(details, "usb");
  if (Object.keys(cpu).length === 0 && memory.length === 0 && Object.keys(hardware).length === 0) {
    return <NoInventory what="hardware" />;
  }
  const ghz = number(cpu, "base_clock_ghz");
  const total = number(totals, "total");
  return (
    <Stack gap="xl">
      <Section title="Processor">
        <Facts
          columns={2}
          facts={[
            ["Name", text(cpu, "name")],
            ["Cores", [text(cpu, "physical_cores") && `${text(cpu, "physical_cores")} cores`, text(cpu, "logical_cores") && `${text(cpu, "logical_cores")} threads`].filter(Boolean).join(", ")],
            ["Base clock", ghz ? `${ghz} GHz` : ""],
            ["Architecture", text(cpu, "architecture")],
            ["Sockets", text(cpu, "sockets")],
            ["Virtual machine", text(virtual, "role") === "guest" ? `yes, ${text(virtual, "type")}` : ""],
          ]}
        />
      </Section>
      <Section title={total ? `Memory · ${bytes(total)}` : "Memory"}>
        <SimpleTable
          label="Memory"
          head={["Slot", "Size", "Type", "Speed", "Serial number"]}
          rows={memory.map((module, place) => ({
            key: `${text(module, "slot")} ${place}`,
            cells: [
              text(module, "slot"),
              number(module, "capacity") ? bytes(number(module, "capacity") ?? 0) : "",
              text(module, "type"),
              number(module, "speed") ? `${text(module, "speed")} MT/s` : "",
              text(module, "serial"),
            ],
          }))}
        />
      </Section>
      <Section title="Machine">
        <Facts
          columns={2}
          facts={[
            ...named(part(hardware, "system"), [["manufacturer", "Maker"], ["product", "Product"], ["serial", "Serial number"], ["uuid", "UUID"]]),
            ...named(part(hardware, "board"), [["manufacturer", "Board by"], ["product", "Board"]]),
            ...named(part(hardware, "chassis"), [["type", "Chassis"], ["asset_tag", "Asset tag"]]),
            ...named(part(hardware, "bios"), [["vendor", "Firmware by"], ["version", "Firmware"], ["date", "Firmware of"]]),
            ...named(part(hardware, "firmware"), [["type", "Starts by"], ["secure_boot", "Secure boot"]]),
          ]}
        />
      </Section>
      {cards.length > 0 ? (
        <Section title="Cards">
          <SimpleTable
            label="Cards"
            head={["Kind", "Device", "Driver", "Id"]}
            rows={cards.map(([kind, card], place) => ({
              key: `${text(card, "address")} ${place}`,
              cells: [kind, [text(card, "vendor"), text(card, "device") || text(card, "name")].filter(Boolean).join(" "), text(card, "driver"), text(card, "id")],
            }))}
          />
        </Section>
      ) : null}
      {usb.length > 0 ? (
        <Section title="USB">
          <SimpleTable
            label="USB devices"
            head={["Device", "Maker", "Id"]}
            rows={usb.map((one, place) => ({
              key: String(place),
              cells: [text(one, "product") || text(one, "name"), text(one, "manufacturer") || text(one, "vendor"), plain(one["id"])],
            }))}
          />
        </Section>
      ) : null}
    </Stack>
  );
}
