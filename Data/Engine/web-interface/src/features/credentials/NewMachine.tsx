import { Alert, Button, Group, NumberInput, SegmentedControl, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { DEVICES } from "@/features/devices/queries";
import { useSites } from "@/features/sites/queries";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { told } from "@/ui/told";
import { HostKeyQuestion } from "./MachineSection";
import { credentialLabel, useCredentials, type HostKey } from "./queries";

type Connection = "ssh" | "winrm" | "psrp";
type Tls = "ca" | "pinned" | "plain";

/** Adds a machine that the Engine reaches itself. An ssh host key is looked at, and confirmed by a person. */
export function NewMachine({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const sites = useSites();
  const credentials = useCredentials();
  const [name, setName] = useState("");
  const [type, setType] = useState<Connection>("ssh");
  const [address, setAddress] = useState("");
  const [port, setPort] = useState<number | string>("");
  const [site, setSite] = useState<string | null>(null);
  const [credential, setCredential] = useState<string | null>(null);
  const [key, setKey] = useState<HostKey | null>(null);
  const [sure, setSure] = useState(false);
  const [tls, setTls] = useState<Tls>("ca");
  const [certificate, setCertificate] = useState("");
  const where = { address: address.trim(), port: typeof port === "number" ? port : null };

  const moved = () => {
    setKey(null);
    setSure(false);
  };
  const look = useMutation({
    mutationFn: () => take(api.POST("/api/machines/host_key", { body: { address: where.address, port: where.port ?? 22 } })),
    onSuccess: (answer) => {
      setKey(answer.keys[0] ?? null);
      setSure(false);
    },
  });
  const save = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/machines", {
          body: {
            hostname: name.trim(),
            description: "",
            site_id: site === null ? null : Number(site),
            credential_id: credential === null ? null : Number(credential),
            connection: {
              type,
              ...where,
              host_key: type === "ssh" ? (key?.key ?? "") : "",
              host_key_fingerprint: "",
              tls: type === "ssh" ? "ca" : tls,
              certificate: type !== "ssh" && tls === "pinned" ? certificate : "",
            },
          },
        }),
      ),
    onSuccess: async () => {
      told(`${name.trim()} was added.`);
      onClose();
      await client.invalidateQueries({ queryKey: DEVICES });
    },
  });
  const known = type === "ssh" ? key !== null && sure : tls !== "pinned" || certificate.trim() !== "";
  const fitting = (credentials.data ?? []).filter((one) => one.kind === (type === "ssh" ? "ssh" : "windows"));

  return (
    <Confirm
      opened
      onClose={onClose}
      title="Add a machine without an agent"
      act="Add it"
      ready={name.trim() !== "" && where.address !== "" && known}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate()}
    >
      <Stack gap="sm">
        <TextInput label="Name" required data-autofocus maxLength={253} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <SegmentedControl
          fullWidth
          aria-label="Reached by"
          value={type}
          onChange={(value) => {
            setType(value);
            setCredential(null);
            moved();
          }}
          data={["ssh", "winrm", "psrp"]}
        />
        <Group align="flex-start" wrap="nowrap">
          <TextInput
            label="Address"
            required
            flex={1}
            maxLength={255}
            value={address}
            onChange={(event) => {
              setAddress(event.currentTarget.value);
              moved();
            }}
          />
          <NumberInput
            label="Port"
            w={110}
            min={1}
            max={65535}
            hideControls
            placeholder={type === "ssh" ? "22" : tls === "plain" ? "5985" : "5986"}
            value={port}
            onChange={(value) => {
              setPort(value);
              moved();
            }}
          />
        </Group>
        {type === "ssh" ? (
          <>
            <Button variant="default" loading={look.isPending} disabled={where.address === ""} onClick={() => look.mutate()} style={{ alignSelf: "flex-start" }}>
              Look at its host key
            </Button>
            <ErrorNote error={look.error} what="No host key was seen" />
            {key ? (
              <HostKeyQuestion hostKey={key} sure={sure} onSure={setSure} />
            ) : null}
          </>
        ) : (
          <>
            <Select
              label="It is known by"
              allowDeselect={false}
              value={tls}
              onChange={(value) => setTls((value ?? "ca"))}
              data={[
                { value: "ca", label: "An authority that the Engine's machine trusts" },
                { value: "pinned", label: "A certificate that I give" },
                { value: "plain", label: "Nothing: without TLS" },
              ]}
            />
            {tls === "pinned" ? (
              <Textarea label="Certificate (PEM)" required minRows={3} autosize maxRows={8} spellCheck={false} value={certificate} onChange={(event) => setCertificate(event.currentTarget.value)} />
            ) : null}
            {tls === "plain" ? (
              <Alert color="red" variant="light">
                Nothing says that it is this machine, and with Basic the password goes over the network as it is.
              </Alert>
            ) : null}
          </>
        )}
        <Select
          label="Credential"
          description="What its playbooks use unless a run says otherwise."
          placeholder="none of its own"
          clearable
          value={credential}
          onChange={setCredential}
          data={fitting.map((one) => ({ value: String(one.id), label: credentialLabel(one) }))}
        />
        <Select
          label="Site"
          placeholder="none"
          clearable
          value={site}
          onChange={setSite}
          data={(sites.data ?? []).map((one) => ({ value: String(one.id), label: one.name }))}
        />
      </Stack>
    </Confirm>
  );
}
