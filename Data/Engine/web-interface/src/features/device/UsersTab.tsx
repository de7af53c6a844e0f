import { Stack } from "@mantine/core";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { part, parts, plain, text, words, type Part } from "./inventory";
import { NoInventory } from "./NoInventory";
import { useThisDevice } from "./useThisDevice";

function remarks(account: Part): string {
  return [
    account["administrator"] === true ? "administrator" : "",
    account["may_sign_in"] === false ? "may not sign in" : "",
    account["password_locked"] === true ? "password locked" : "",
    account["disabled"] === true ? "disabled" : "",
  ]
    .filter(Boolean)
    .join(", ");
}

/** Who has an account, and who is signed in. */
export function UsersTab() {
  const device = useThisDevice();
  if (!device) return null;
  const users = part(device.details, "users");
  const accounts = parts(users, "accounts");
  const sessions = [...parts(users, "sessions"), ...parts(users, "signed_in")];
  const agents = device.presence.users;
  if (accounts.length === 0 && sessions.length === 0 && agents.length === 0) return <NoInventory what="users" />;
  return (
    <Stack gap="xl">
      {agents.length > 0 ? (
        <Section title="Reached now">
          <SimpleTable
            label="Signed-in users with an agent"
            head={["User", "Agent since", ""]}
            rows={agents.map((one) => ({
              key: one.user,
              cells: [one.user || "not named", <TimeAgo key="since" at={one.since} />, one.active ? "at the machine's screen" : ""],
            }))}
          />
        </Section>
      ) : null}
      {sessions.length > 0 ? (
        <Section title="Signed in">
          <SimpleTable
            label="Signed-in users"
            head={["User", "Where", "Since"]}
            rows={sessions.map((session, place) => ({
              key: String(place),
              cells: [
                text(session, "name") || text(session, "user"),
                text(session, "terminal") || text(session, "seat") || text(session, "host"),
                plain(session["since"] ?? session["started"] ?? ""),
              ],
            }))}
          />
        </Section>
      ) : null}
      <Section title="Accounts">
        <SimpleTable
          label="Accounts"
          head={["Account", "Full name", "Groups", "Remarks", "Home"]}
          rows={accounts.map((account, place) => ({
            key: `${text(account, "name")} ${place}`,
            cells: [text(account, "name"), text(account, "full_name"), words(account, "groups").join(", "), remarks(account), text(account, "home")],
          }))}
        />
      </Section>
    </Stack>
  );
}
