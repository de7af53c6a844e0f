import { Group, Progress, Stack, Text } from "@mantine/core";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { bytes } from "@/ui/time";
import { number, parts, text } from "./inventory";
import { NoInventory } from "./NoInventory";
import { useThisDevice } from "./useThisDevice";

const FULL = 90;

/** Drives with their free space, and the disks below them. */
export function StorageTab() {
  const device = useThisDevice();
  if (!device) return null;
  const drives = parts(device.details, "storage");
  const disks = parts(device.details, "disks");
  if (drives.length === 0 && disks.length === 0) return <NoInventory what="storage" />;
  return (
    <Stack gap="xl">
      <Section title="Drives">
        <SimpleTable
          label="Drives"
          head={["Drive", "Used", "Free", "Size", "File system", "Kind"]}
          rows={drives.map((drive, place) => {
            const usage = number(drive, "usage");
            return {
              key: `${text(drive, "drive")} ${place}`,
              cells: [
                <Text key="name" size="sm" ff="monospace">
                  {text(drive, "drive")}
                </Text>,
                usage === null ? (
                  ""
                ) : (
                  <Group key="used" gap="xs" wrap="nowrap">
                    <Progress
                      value={usage}
                      w={96}
                      size="sm"
                      color={usage >= FULL ? "red" : "aurora"}
                      aria-label={`${text(drive, "drive")} is ${Math.round(usage)} percent full`}
                    />
                    <Text size="sm" fw={usage >= FULL ? 700 : 400}>
                      {Math.round(usage)} %{usage >= FULL ? " full" : ""}
                    </Text>
                  </Group>
                ),
                size(number(drive, "free")),
                size(number(drive, "total")),
                text(drive, "file_system"),
                [text(drive, "disk_type"), drive["encrypted"] === true ? "encrypted" : ""].filter(Boolean).join(", "),
              ],
            };
          })}
        />
      </Section>
      {disks.length > 0 ? (
        <Section title="Disks">
          <SimpleTable
            label="Disks"
            head={["Disk", "Model", "Size", "Kind", "Serial number"]}
            rows={disks.map((disk, place) => ({
              key: `${text(disk, "name")} ${place}`,
              cells: [
                text(disk, "name"),
                [text(disk, "vendor"), text(disk, "model")].filter(Boolean).join(" "),
                size(number(disk, "size")),
                [text(disk, "kind"), text(disk, "transport")].filter(Boolean).join(", "),
                text(disk, "serial"),
              ],
            }))}
          />
        </Section>
      ) : null}
    </Stack>
  );
}

function size(count: number | null): string {
  return count === null ? "" : bytes(count);
}
