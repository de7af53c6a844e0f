import { Badge, Button, Drawer, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconFingerprint } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { makePasskey } from "@/features/passkeys/ceremony";
import { obstacle } from "@/features/passkeys/obstacle";
import { Confirm } from "@/ui/Confirm";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { browserOf } from "./browser";

type Passkey = Schemas["PasskeyView"];

const PASSKEYS = ["passkeys"] as const;
const MAX_NAME = 128;

/** Passkeys: sign-in without a password. Made here, named, removed. */
export function PasskeysSection() {
  const [adding, add] = useState(false);
  const [renamed, rename] = useState<Passkey | null>(null);
  const [removed, remove] = useState<Passkey | null>(null);
  const asked = useQuery({
    queryKey: PASSKEYS,
    queryFn: async () => (await take(api.GET("/api/auth/passkeys"))).passkeys,
  });
  const passkeys = asked.data ?? [];
  const hindrance = obstacle();
  return (
    <Section
      title="Passkeys"
      actions={
        hindrance === null ? (
          <Button size="xs" variant="default" onClick={() => add(true)}>
            Add a passkey
          </Button>
        ) : null
      }
    >
      <ErrorNote error={asked.error} />
      {hindrance ? (
        <Text size="sm" c="dimmed" mb="xs">
          {hindrance}
        </Text>
      ) : null}
      {passkeys.length > 0 ? (
        <SimpleTable
          label="Your passkeys"
          head={["Name", "Last used", "Made", ""]}
          rows={passkeys.map((passkey) => ({
            key: passkey.id,
            cells: [
              <Group key="name" gap={8}>
                <Text size="sm">{passkey.name}</Text>
                {passkey.backed_up ? (
                  <Badge size="sm" variant="light" color="gray">
                    synchronised
                  </Badge>
                ) : null}
              </Group>,
              <TimeAgo key="used" at={passkey.last_used_at} />,
              <TimeAgo key="made" at={passkey.created_at} />,
              <Group key="acts" gap={4} justify="flex-end" wrap="nowrap">
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="gray"
                  aria-label={`Rename the passkey ${passkey.name}`}
                  onClick={() => rename(passkey)}
                >
                  Rename
                </Button>
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="red"
                  aria-label={`Remove the passkey ${passkey.name}`}
                  onClick={() => remove(passkey)}
                >
                  Remove
                </Button>
              </Group>,
            ],
          }))}
        />
      ) : null}
      {asked.data && passkeys.length === 0 && hindrance === null ? (
        <EmptyState title="No passkeys" icon={IconFingerprint}>
          Sign in with a finger, your face or a security key, without a password that can be stolen.
        </EmptyState>
      ) : null}
      <Drawer
        opened={adding}
        onClose={() => add(false)}
        position="right"
        title="Add a passkey"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <AddPasskey taken={passkeys.map((passkey) => passkey.name)} onDone={() => add(false)} />
      </Drawer>
      {renamed ? <RenamePasskey passkey={renamed} onClose={() => rename(null)} /> : null}
      {removed ? <RemovePasskey passkey={removed} onClose={() => remove(null)} /> : null}
    </Section>
  );
}

/** What the browser is called, with a number where that is there already. */
function suggested(taken: readonly string[]): string {
  const browser = browserOf(navigator.userAgent);
  let name = browser;
  for (let number = 2; taken.includes(name); number += 1) name = `${browser} ${number}`;
  return name;
}

function AddPasskey({ taken, onDone }: { taken: readonly string[]; onDone: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(() => suggested(taken));
  const [password, setPassword] = useState("");
  const make = useMutation({
    mutationFn: () => makePasskey(name.trim(), password),
    onSuccess: async (made) => {
      told(`The passkey “${made.name}” was added.`);
      onDone();
      await client.invalidateQueries({ queryKey: PASSKEYS });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          description="So that you know it again in the list."
          required
          withAsterisk={false}
          value={name}
          maxLength={MAX_NAME}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label="Your password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          data-autofocus
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Text size="sm" c="dimmed">
          Then the browser asks where the passkey is to be kept. It stands for password and second factor.
        </Text>
        <ErrorNote error={make.error} what="No passkey was added" />
        <Button type="submit" w="fit-content" loading={make.isPending} disabled={!name.trim()}>
          Go on
        </Button>
      </Stack>
    </form>
  );
}

function RenamePasskey({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(passkey.name);
  const rename = useMutation({
    mutationFn: () =>
      take(
        api.PATCH("/api/auth/passkeys/{passkey_id}", {
          params: { path: { passkey_id: passkey.id } },
          body: { name: name.trim() },
        }),
      ),
    onSuccess: async () => {
      onClose();
      await client.invalidateQueries({ queryKey: PASSKEYS });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Rename ${passkey.name}`}
      act="Rename"
      ready={name.trim() !== ""}
      busy={rename.isPending}
      error={rename.error}
      onAct={() => rename.mutate()}
    >
      <TextInput
        label="Name"
        data-autofocus
        value={name}
        maxLength={MAX_NAME}
        onChange={(event) => setName(event.currentTarget.value)}
      />
    </Confirm>
  );
}

function RemovePasskey({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      take(api.DELETE("/api/auth/passkeys/{passkey_id}", { params: { path: { passkey_id: passkey.id } } })),
    onSuccess: async () => {
      told(`The passkey “${passkey.name}” was removed.`);
      onClose();
      await client.invalidateQueries({ queryKey: PASSKEYS });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Remove ${passkey.name}?`}
      act="Remove"
      danger
      busy={remove.isPending}
      error={remove.error}
      onAct={() => remove.mutate()}
    >
      It signs in no more, from now on. The authenticator may still show it; delete it there too. Your sessions go on.
    </Confirm>
  );
}
