import { Button, Divider, Stack, Text } from "@mantine/core";
import { IconFingerprint } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { signInWithPasskey } from "@/features/passkeys/ceremony";
import { obstacle } from "@/features/passkeys/obstacle";
import { ErrorNote } from "@/ui/ErrorNote";
import { enter } from "./enter";

/** The other way in: no user name, no password, no code. */
export function PasskeySignIn({ onDone }: { onDone: () => void }) {
  const hindrance = obstacle();
  const sign = useMutation({
    mutationFn: signInWithPasskey,
    onSuccess: (answer) => {
      enter(answer);
      onDone();
    },
  });
  if (hindrance !== null) {
    return (
      <Text size="xs" c="dimmed" mt="lg">
        {hindrance}
      </Text>
    );
  }
  return (
    <Stack gap="md" mt="md">
      <Divider label="or" />
      <ErrorNote error={sign.error} what="You are not signed in" />
      <Button
        variant="default"
        fullWidth
        leftSection={<IconFingerprint size={18} aria-hidden />}
        loading={sign.isPending}
        onClick={() => sign.mutate()}
      >
        Sign in with a passkey
      </Button>
    </Stack>
  );
}
