import { SegmentedControl, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useSites } from "@/features/sites/queries";
import { Confirm } from "@/ui/Confirm";
import { told } from "@/ui/told";
import { isWhole, NO_SECRET, secretOf, type CredentialKind } from "./form";
import { CREDENTIALS, type Credential } from "./queries";
import { SecretFields } from "./SecretFields";

/** Keeps a credential. */
export function NewCredential({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const sites = useSites();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<CredentialKind>("ssh");
  const [site, setSite] = useState<string | null>(null);
  const [secret, setSecret] = useState(NO_SECRET);
  const save = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/credentials", {
          body: { name: name.trim(), kind, description: "", site_id: site === null ? null : Number(site), secret: secretOf(kind, secret) },
        }),
      ),
    onSuccess: async () => {
      told(`The credential ${name.trim()} is kept.`);
      onClose();
      await client.invalidateQueries({ queryKey: CREDENTIALS });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title="New credential"
      act="Keep it"
      ready={name.trim() !== "" && isWhole(kind, secret)}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate()}
    >
      <Stack gap="sm">
        <TextInput label="Name" required data-autofocus maxLength={128} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <SegmentedControl
          fullWidth
          aria-label="For which machines"
          value={kind}
          onChange={(value) => setKind(value)}
          data={[
            { value: "ssh", label: "ssh" },
            { value: "windows", label: "Windows" },
          ]}
        />
        <Select
          label="May be used on machines of"
          placeholder="all sites"
          clearable
          value={site}
          onChange={setSite}
          data={(sites.data ?? []).map((one) => ({ value: String(one.id), label: one.name }))}
        />
        <SecretFields kind={kind} draft={secret} onChange={(part) => setSecret((now) => ({ ...now, ...part }))} />
      </Stack>
    </Confirm>
  );
}

/** Replaces the whole secret. */
export function ReplaceSecret({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  const client = useQueryClient();
  const [secret, setSecret] = useState({ ...NO_SECRET, username: credential.username, by: credential.secret_kind });
  const save = useMutation({
    mutationFn: () =>
      take(
        api.PATCH("/api/credentials/{credential_id}", {
          params: { path: { credential_id: credential.id } },
          body: { secret: secretOf(credential.kind, secret) },
        }),
      ),
    onSuccess: async () => {
      told("Replaced. Runs that begin from now on use it.");
      onClose();
      await client.invalidateQueries({ queryKey: CREDENTIALS });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Replace the secret of ${credential.name}`}
      act="Replace"
      ready={isWhole(credential.kind, secret)}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate()}
    >
      <SecretFields kind={credential.kind} draft={secret} onChange={(part) => setSecret((now) => ({ ...now, ...part }))} />
    </Confirm>
  );
}

export function DeleteCredential({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/credentials/{credential_id}", { params: { path: { credential_id: credential.id } } })),
    onSuccess: async () => {
      told(`The credential ${credential.name} was deleted.`);
      onClose();
      await client.invalidateQueries({ queryKey: CREDENTIALS });
    },
  });
  return (
    <Confirm opened danger onClose={onClose} title={`Delete ${credential.name}?`} act="Delete" busy={remove.isPending} error={remove.error} onAct={() => remove.mutate()}>
      Machines that use it by default then need another. Runs under way keep it from being deleted.
    </Confirm>
  );
}
