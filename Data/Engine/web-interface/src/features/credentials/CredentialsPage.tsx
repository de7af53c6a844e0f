import { Button, Group, Text } from "@mantine/core";
import { IconKey, IconPlus, IconServer } from "@tabler/icons-react";
import { useState } from "react";
import { useMay } from "@/app/session";
import { useDevices } from "@/features/devices/queries";
import { useSites } from "@/features/sites/queries";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page, Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { DeleteCredential, NewCredential, ReplaceSecret } from "./CredentialDialogs";
import { NewMachine } from "./NewMachine";
import { useCredentials, type Credential } from "./queries";

type Dialog = { what: "new" | "machine" } | { what: "replace" | "delete"; credential: Credential } | null;

/** How the Engine signs in to machines without an agent, and which those are. */
export function CredentialsPage() {
  const asked = useCredentials();
  const devices = useDevices();
  const sites = useSites();
  const mayManage = useMay("credentials.manage");
  const mayAdd = useMay("machines.edit");
  const [dialog, setDialog] = useState<Dialog>(null);
  const names = new Map((sites.data ?? []).map((site) => [site.id, site.name]));
  const machines = (devices.data ?? []).filter((device) => !device.has_agent);
  return (
    <Page
      title="Credentials"
      about="For playbooks on machines without an agent. Kept sealed on the Engine, used by runs, shown to nobody."
      actions={
        <>
          {mayAdd ? (
            <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({ what: "machine" })}>
              Add a machine without an agent
            </Button>
          ) : null}
          {mayManage ? (
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({ what: "new" })}>
              New credential
            </Button>
          ) : null}
        </>
      }
    >
      <ErrorNote error={asked.error} what="The credentials could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data?.length === 0 ? (
        <EmptyState title="No credentials yet" icon={IconKey}>
          Keep an ssh key or a password here; then playbooks can run on machines that have no agent.
        </EmptyState>
      ) : null}
      {asked.data && asked.data.length > 0 ? (
        <SimpleTable
          label="Credentials"
          head={["Credential", "Signs in as", "By", "Raises rights", "Machines of", "Last used", ""]}
          rows={asked.data.map((one) => ({
            key: String(one.id),
            cells: [
              <Text key="name" size="sm" fw={550}>
                {one.name}
              </Text>,
              `${one.username} (${one.kind === "ssh" ? "ssh" : "Windows"})`,
              one.key_fingerprint ? (
                <Text key="by" size="xs" ff="monospace" style={{ overflowWrap: "anywhere" }}>
                  {one.key_fingerprint}
                </Text>
              ) : (
                "password"
              ),
              one.become_method ? `${one.become_method}${one.become_username ? ` to ${one.become_username}` : ""}` : "",
              one.site_id === null ? "all sites" : (names.get(one.site_id) ?? `site ${one.site_id}`),
              one.used_at === null ? "never" : <TimeAgo key="used" at={one.used_at} />,
              mayManage ? (
                <Group key="acts" gap={4} justify="flex-end" wrap="nowrap">
                  <Button size="compact-xs" variant="subtle" color="gray" aria-label={`Replace the secret of ${one.name}`} onClick={() => setDialog({ what: "replace", credential: one })}>
                    Replace
                  </Button>
                  <Button size="compact-xs" variant="subtle" color="red" aria-label={`Delete ${one.name}`} onClick={() => setDialog({ what: "delete", credential: one })}>
                    Delete
                  </Button>
                </Group>
              ) : null,
            ],
          }))}
        />
      ) : null}
      <Section title="Machines without an agent">
        <ErrorNote error={devices.error} what="The machines could not be read" onRetry={() => void devices.refetch()} />
        {devices.data && machines.length === 0 ? (
          <EmptyState title="None yet" icon={IconServer}>
            A machine that the Engine reaches by ssh, winrm or psrp, without anything installed on it.
          </EmptyState>
        ) : null}
        {machines.length > 0 ? (
          <SimpleTable
            label="Machines without an agent"
            head={["Machine", "Reached by", "Where", "Site"]}
            rows={machines.map((device) => ({
              key: device.guid,
              cells: [
                <TextLink key="name" to="/devices/$guid" params={{ guid: device.guid }} size="sm" fw={550}>
                  {device.hostname}
                </TextLink>,
                device.connection_type,
                device.connection_endpoint,
                device.site_name ?? "",
              ],
            }))}
          />
        ) : null}
      </Section>
      {dialog?.what === "new" ? <NewCredential onClose={() => setDialog(null)} /> : null}
      {dialog?.what === "machine" ? <NewMachine onClose={() => setDialog(null)} /> : null}
      {dialog?.what === "replace" ? <ReplaceSecret credential={dialog.credential} onClose={() => setDialog(null)} /> : null}
      {dialog?.what === "delete" ? <DeleteCredential credential={dialog.credential} onClose={() => setDialog(null)} /> : null}
    </Page>
  );
}
