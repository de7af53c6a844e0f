import { Alert, Button, Checkbox, Code, Group, Select, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { useMay } from "@/app/session";
import { Confirm } from "@/ui/Confirm";
import { CopyValue } from "@/ui/CopyValue";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { told } from "@/ui/told";
import { credentialLabel, useCredentials, useMachine, type HostKey, type Machine } from "./queries";

const TLS_WORDS: Record<string, string> = {
  ca: "by an authority that the Engine's machine trusts",
  pinned: "by the certificate that was given",
  plain: "by nothing: without TLS",
};

/** How a machine without an agent is reached, how it is known, and with which credential. */
export function MachineSection({ guid }: { guid: string }) {
  const asked = useMachine(guid, true);
  const mayEdit = useMay("machines.edit");
  const credentials = useCredentials();
  const [dialog, setDialog] = useState<"key" | "credential" | null>(null);
  const machine = asked.data;
  const own = credentials.data?.find((one) => one.id === machine?.credential_id);
  return (
    <Section title="Connection">
      <ErrorNote error={asked.error} what="How it is reached could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {machine && !machine.connection ? (
        <Alert color="red" variant="light">
          How it is reached cannot be read: it was altered behind the Engine&apos;s back. Enter it anew (borealis machines edit).
        </Alert>
      ) : null}
      {machine?.connection ? (
        <Facts
          facts={[
            ["Agent", "none: nothing tells whether it is there"],
            ["Reached by", machine.connection.type],
            ["Address", <CopyValue key="where" value={machine.device.connection_endpoint} name="address" plain />],
            ["Host key", machine.connection.host_keys.map((key) => `${key.fingerprint} (${key.type})`).join(", ")],
            ["Known", machine.connection.type === "ssh" ? "" : (TLS_WORDS[machine.connection.tls] ?? "")],
            ["Credential", own ? credentialLabel(own) : machine.credential_id === null ? "none of its own" : `number ${machine.credential_id}`],
          ]}
        />
      ) : null}
      {machine?.connection && mayEdit ? (
        <Group gap="xs" mt="sm">
          {machine.connection.type === "ssh" ? (
            <Button size="compact-sm" variant="default" onClick={() => setDialog("key")}>
              Confirm a new host key…
            </Button>
          ) : null}
          <Button size="compact-sm" variant="default" onClick={() => setDialog("credential")}>
            Another credential…
          </Button>
        </Group>
      ) : null}
      {machine && dialog === "key" ? <NewKey machine={machine} onClose={() => setDialog(null)} /> : null}
      {machine && dialog === "credential" ? <OtherCredential machine={machine} onClose={() => setDialog(null)} /> : null}
    </Section>
  );
}

function useChange(machine: Machine, onClose: () => void) {
  const client = useQueryClient();
  const guid = machine.device.guid;
  return useMutation({
    mutationFn: (body: Partial<Schemas["MachinePatch"]>) =>
      take(api.PATCH("/api/machines/{guid}", { params: { path: { guid } }, body: body })),
    onSuccess: async () => {
      told("Changed.");
      onClose();
      await client.invalidateQueries({ queryKey: ["machine", guid] });
    },
  });
}

/** The one question before a host key is believed: is it the machine's own word? */
export function HostKeyQuestion({ hostKey, sure, onSure }: { hostKey: HostKey; sure: boolean; onSure: (sure: boolean) => void }) {
  return (
    <Alert color="yellow" variant="light" title="Is it this machine?" role="status">
      <Text size="sm">
        What answers there shows <Code>{hostKey.type}</Code> <Code style={{ overflowWrap: "anywhere" }}>{hostKey.fingerprint}</Code>. On the machine itself,{" "}
        <Code>ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub</Code> has to print the same.
      </Text>
      <Checkbox mt="xs" label="I compared it on the machine: it is the same" checked={sure} onChange={(event) => onSure(event.currentTarget.checked)} />
    </Alert>
  );
}

function NewKey({ machine, onClose }: { machine: Machine; onClose: () => void }) {
  const [key, setKey] = useState<HostKey | null>(null);
  const [sure, setSure] = useState(false);
  const connection = machine.connection;
  const look = useMutation({
    mutationFn: () => take(api.POST("/api/machines/host_key", { body: { address: connection?.address ?? "", port: connection?.port ?? 22 } })),
    onSuccess: (answer) => {
      setKey(answer.keys[0] ?? null);
      setSure(false);
    },
  });
  const save = useChange(machine, onClose);
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Host key of ${machine.device.hostname}`}
      act="Confirm it"
      ready={key !== null && sure}
      busy={save.isPending}
      error={save.error}
      onAct={() =>
        save.mutate({
          connection: {
            type: "ssh",
            address: connection?.address ?? "",
            port: connection?.port ?? 22,
            host_key: key?.key ?? "",
            host_key_fingerprint: "",
            tls: "ca",
            certificate: "",
          },
        })
      }
    >
      <Stack gap="sm">
        <Button variant="default" loading={look.isPending} onClick={() => look.mutate()} style={{ alignSelf: "flex-start" }}>
          Look at its host key
        </Button>
        <ErrorNote error={look.error} what="No host key was seen" />
        {key ? <HostKeyQuestion hostKey={key} sure={sure} onSure={setSure} /> : null}
      </Stack>
    </Confirm>
  );
}

function OtherCredential({ machine, onClose }: { machine: Machine; onClose: () => void }) {
  const credentials = useCredentials();
  const [chosen, setChosen] = useState<string | null>(machine.credential_id === null ? null : String(machine.credential_id));
  const save = useChange(machine, onClose);
  const kind = machine.connection?.type === "ssh" ? "ssh" : "windows";
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Credential of ${machine.device.hostname}`}
      act="Save"
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate({ credential_id: chosen === null ? null : Number(chosen) })}
    >
      <Select
        label="Credential"
        placeholder="none of its own"
        clearable
        data-autofocus
        value={chosen}
        onChange={setChosen}
        data={(credentials.data ?? []).filter((one) => one.kind === kind).map((one) => ({ value: String(one.id), label: credentialLabel(one) }))}
      />
    </Confirm>
  );
}
