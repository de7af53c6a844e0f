import { Alert, Button, Checkbox, Drawer, Group, NumberInput, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import type { Permission } from "@/app/session";
import { CopyValue } from "@/ui/CopyValue";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";

const TOKENS = ["tokens"] as const;

/** Tokens for programs: what they may do and for how long is chosen when they are made. */
export function TokensSection({ permissions }: { permissions: readonly Permission[] }) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<Schemas["TokenMade"] | null>(null);
  const asked = useQuery({ queryKey: TOKENS, queryFn: async () => (await take(api.GET("/api/tokens"))).tokens });
  const refresh = () => client.invalidateQueries({ queryKey: TOKENS });
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/tokens/{token_id}", { params: { path: { token_id: id } } })),
    onSuccess: refresh,
  });
  const tokens = asked.data ?? [];
  return (
    <Section
      title="Personal access tokens"
      actions={
        <Button size="xs" variant="default" onClick={() => setOpen(true)}>
          Make a token
        </Button>
      }
    >
      <ErrorNote error={asked.error ?? remove.error} />
      {made ? (
        <Alert
          color="aurora"
          variant="light"
          mb="sm"
          title={`The token “${made.name}” is shown now and never again`}
          withCloseButton
          closeButtonLabel="I kept it"
          onClose={() => setMade(null)}
        >
          <CopyValue value={made.token} name="token" block />
        </Alert>
      ) : null}
      {asked.data && tokens.length === 0 ? (
        <EmptyState title="No tokens">For scripts and other programs that call the Engine in your name.</EmptyState>
      ) : (
        <SimpleTable
          label="Your tokens"
          head={["Name", "May", "Last used", "Expires", ""]}
          rows={tokens.map((token) => ({
            key: token.id,
            cells: [
              token.name,
              token.scopes.join(", "),
              <TimeAgo key="used" at={token.last_used_at} />,
              <TimeAgo key="expires" at={token.expires_at} />,
              <Button
                key="delete"
                size="compact-xs"
                variant="subtle"
                color="red"
                aria-label={`Delete the token ${token.name}`}
                onClick={() => remove.mutate(token.id)}
              >
                Delete
              </Button>,
            ],
          }))}
        />
      )}
      <Drawer
        opened={open}
        onClose={() => setOpen(false)}
        position="right"
        title="Make a personal access token"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <MakeToken
          permissions={permissions}
          onMade={(token) => {
            setMade(token);
            setOpen(false);
            void refresh();
          }}
        />
      </Drawer>
    </Section>
  );
}

function MakeToken({ permissions, onMade }: { permissions: readonly Permission[]; onMade: (made: Schemas["TokenMade"]) => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>([]);
  const [days, setDays] = useState<number>(90);
  const make = useMutation({
    mutationFn: () =>
      take(api.POST("/api/tokens", { body: { name: name.trim(), scopes: scopes as Permission[], expires_in_days: days } })),
    onSuccess: onMade,
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
          label="What it is for"
          required
          withAsterisk={false}
          data-autofocus
          value={name}
          maxLength={128}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Checkbox.Group label="What it may do" description="Nothing more than you yourself." value={scopes} onChange={setScopes}>
          <SimpleGrid cols={2} spacing={8} mt={8}>
            {permissions.map((permission) => (
              <Checkbox key={permission} size="sm" value={permission} label={permission} />
            ))}
          </SimpleGrid>
        </Checkbox.Group>
        <NumberInput
          label="Days until it expires"
          min={1}
          max={365}
          allowDecimal={false}
          value={days}
          onChange={(value) => setDays(typeof value === "number" ? value : 90)}
        />
        <ErrorNote error={make.error} what="No token was made" />
        <Group>
          <Button type="submit" loading={make.isPending} disabled={scopes.length === 0}>
            Make the token
          </Button>
          {scopes.length === 0 ? (
            <Text size="xs" c="dimmed">
              Choose what it may do.
            </Text>
          ) : null}
        </Group>
      </Stack>
    </form>
  );
}
