import { EmptyState } from "@/ui/EmptyState";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { exactly } from "@/ui/time";
import { plain } from "./inventory";
import { RoleState } from "./RoleState";
import { useThisDevice } from "./useThisDevice";

const SHOWN = new Set(["state", "context", "reason", "file", "stage"]);

/** Nothing to tell: no text, or a time that was not yet. */
function isEmpty(name: string, value: unknown): boolean {
  return plain(value) === "" || (name.endsWith("_at") && value === 0);
}

/** Times come as Unix seconds in members that end in `_at`. */
function moment(name: string, value: unknown): string {
  return name.endsWith("_at") && typeof value === "number" && value > 1e9 ? exactly(value) : plain(value);
}

/** The parts of the agent, and how each of them is. */
export function RolesTab() {
  const device = useThisDevice();
  if (!device) return null;
  const roles = Object.entries(device.roles as Record<string, Record<string, unknown>>);
  if (roles.length === 0) {
    return (
      <EmptyState title="No roles were reported">
        The agent tells of its roles with each heartbeat. It may be too old, or may not have called yet.
      </EmptyState>
    );
  }
  return (
    <Section title="Roles of its agents">
      <SimpleTable
        label="Roles"
        head={["Role", "State", "Agent", "File", "Reason", "More"]}
        rows={roles.map(([name, health]) => ({
          key: name,
          cells: [
            name,
            <RoleState key="state" state={plain(health["state"])} />,
            plain(health["context"]) === "interactive" ? "signed-in user" : "SYSTEM",
            plain(health["file"]),
            [plain(health["stage"]), plain(health["reason"])].filter(Boolean).join(" · "),
            Object.entries(health)
              .filter(([key, value]) => !SHOWN.has(key) && !isEmpty(key, value))
              .map(([key, value]) => `${key.replaceAll("_", " ")} ${moment(key, value)}`)
              .join(", "),
          ],
        }))}
      />
    </Section>
  );
}
