import { Button, Checkbox, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { ConfirmTyped } from "@/ui/Confirm";
import { CopyValue } from "@/ui/CopyValue";
import { Facts } from "@/ui/Facts";
import { Section } from "@/ui/Page";
import { told } from "@/ui/told";

/** The key that signs every script, and its replacement. */
export function SigningKey({ keyId }: { keyId: string }) {
  const client = useQueryClient();
  const may = useMay("server.manage");
  const [open, setOpen] = useState(false);
  const [revoke, setRevoke] = useState(false);
  const rotate = useMutation({
    mutationFn: () => take(api.POST("/api/server/signing-key/rotate", { body: { revoke_old: revoke } })),
    onSuccess: async (answer) => {
      told(`The key ${answer.key_id} signs from now on.`);
      setOpen(false);
      await client.invalidateQueries({ queryKey: ["server"] });
    },
  });
  return (
    <Section
      title="Script-signing key"
      actions={
        may ? (
          <Button size="xs" variant="default" onClick={() => setOpen(true)}>
            Replace the key…
          </Button>
        ) : null
      }
    >
      <Facts facts={[["In force", <CopyValue key="key" value={keyId} name="key id" />]]} />
      <Text size="sm" c="dimmed" mt={6}>
        Every script is signed with it for one device; devices run nothing else.
      </Text>
      {open ? (
        <ConfirmTyped
          opened
          onClose={() => setOpen(false)}
          title="Replace the script-signing key?"
          act="Replace"
          word={keyId}
          busy={rotate.isPending}
          error={rotate.error}
          onAct={() => rotate.mutate()}
        >
          <Text size="sm" mb="sm">
            A new key signs from then on. Every device is told by a statement that the old key signs; those that are offline hear
            it when they come back.
          </Text>
          <Checkbox
            label="The old key may be in other hands: devices stop trusting it at once"
            description="Jobs that wait with its signature are refused."
            checked={revoke}
            onChange={(event) => setRevoke(event.currentTarget.checked)}
          />
        </ConfirmTyped>
      ) : null}
    </Section>
  );
}
