import { Alert, Button, Code, Group, PasswordInput, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { CopyValue } from "@/ui/CopyValue";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { told } from "@/ui/told";
import { QrCode } from "./QrCode";

/** An authenticator app: set up with a QR code, confirmed with a code, recovery codes shown once. */
export function SecondFactorSection({ enabled, username }: { enabled: boolean; username: string }) {
  const client = useQueryClient();
  const [offer, setOffer] = useState<Schemas["MfaOffer"] | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["me"] });

  return (
    <Section title="Second factor">
      {codes ? <Recovery codes={codes} username={username} onKept={() => setCodes(null)} /> : null}
      {enabled && !codes ? <TurnOff onDone={refresh} /> : null}
      {!enabled && !codes && !offer ? <Ask onOffer={setOffer} /> : null}
      {offer && !codes ? (
        <Confirm
          offer={offer}
          onCancel={() => setOffer(null)}
          onDone={(fresh) => {
            setCodes(fresh);
            setOffer(null);
            void refresh();
          }}
        />
      ) : null}
    </Section>
  );
}

function Ask({ onOffer }: { onOffer: (offer: Schemas["MfaOffer"]) => void }) {
  const [password, setPassword] = useState("");
  const ask = useMutation({
    mutationFn: () => take(api.POST("/api/auth/mfa/setup", { body: { password } })),
    onSuccess: onOffer,
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate();
      }}
    >
      <Stack gap="sm" maw={400}>
        <Text size="sm" c="dimmed">
          Not set up. With an authenticator app a stolen password alone opens nothing.
        </Text>
        <PasswordInput
          label="Your password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <ErrorNote error={ask.error} />
        <Button type="submit" variant="default" w="fit-content" loading={ask.isPending}>
          Set up an authenticator app
        </Button>
      </Stack>
    </form>
  );
}

interface ConfirmProps {
  offer: Schemas["MfaOffer"];
  onDone: (codes: string[]) => void;
  onCancel: () => void;
}

function Confirm({ offer, onDone, onCancel }: ConfirmProps) {
  const [code, setCode] = useState("");
  const confirm = useMutation({
    mutationFn: () => take(api.POST("/api/auth/mfa/confirm", { body: { code: code.trim() } })),
    onSuccess: (answer) => onDone(answer.recovery_codes),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        confirm.mutate();
      }}
    >
      <Group align="flex-start" gap="lg">
        <QrCode value={offer.otpauth_url} label="QR code for the authenticator app" />
        <Stack gap="sm" maw={400} flex="1 1 260px">
          <Text size="sm">Scan this with your authenticator app, or type the key into it:</Text>
          <CopyValue value={offer.secret} name="key" shown={offer.secret.match(/.{1,4}/g)?.join(" ")} />
          <TextInput
            label="Code that the app shows"
            inputMode="numeric"
            autoComplete="one-time-code"
            required
            withAsterisk={false}
            autoFocus
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
          <ErrorNote error={confirm.error} what="The second factor is not on" />
          <Group gap="xs">
            <Button type="submit" loading={confirm.isPending}>
              Turn it on
            </Button>
            <Button variant="subtle" color="gray" onClick={onCancel}>
              Cancel
            </Button>
          </Group>
        </Stack>
      </Group>
    </form>
  );
}

function Recovery({ codes, username, onKept }: { codes: string[]; username: string; onKept: () => void }) {
  return (
    <Alert color="aurora" variant="light" title="The second factor is on. Keep these recovery codes">
      <Text size="sm">
        Each works once when the app is lost. They are shown now and never again; keep them where {username} finds them and
        nobody else does.
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing={4} my="sm" maw={420}>
        {codes.map((code) => (
          <Code key={code} fz="sm">
            {code}
          </Code>
        ))}
      </SimpleGrid>
      <Group gap="xs">
        <CopyValue value={codes.join("\n")} name="all codes" shown="Copy all" plain />
        <Button size="xs" onClick={onKept}>
          I kept them
        </Button>
      </Group>
    </Alert>
  );
}

function TurnOff({ onDone }: { onDone: () => Promise<void> }) {
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const off = useMutation({
    mutationFn: () => take(api.POST("/api/auth/mfa/disable", { body: { password, code: code.trim() } })),
    onSuccess: async () => {
      told("The second factor is off.");
      await onDone();
    },
  });
  if (!open) {
    return (
      <Group gap="md">
        <Text size="sm">On: a code of your authenticator app is asked for at each sign-in.</Text>
        <Button size="xs" variant="default" onClick={() => setOpen(true)}>
          Turn it off…
        </Button>
      </Group>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        off.mutate();
      }}
    >
      <Stack gap="sm" maw={400}>
        <PasswordInput
          label="Your password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <TextInput
          label="Code of the app, or a recovery code"
          autoComplete="one-time-code"
          required
          withAsterisk={false}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <ErrorNote error={off.error} what="It is still on" />
        <Group gap="xs">
          <Button type="submit" color="red" loading={off.isPending}>
            Turn it off
          </Button>
          <Button variant="subtle" color="gray" onClick={() => setOpen(false)}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
