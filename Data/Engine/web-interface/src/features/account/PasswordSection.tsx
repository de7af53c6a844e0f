import { Button, PasswordInput, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { told } from "@/ui/told";

/** Changes one's own password. */
export function PasswordSection() {
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useMutation({
    mutationFn: () => take(api.POST("/api/auth/password", { body: { current_password: current, new_password: next } })),
    onSuccess: async () => {
      setCurrent("");
      setNext("");
      told("The password was changed. Your other sessions have ended.");
      await client.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  return (
    <Section title="Password">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate();
        }}
      >
        <Stack gap="sm" maw={400} align="stretch">
          <PasswordInput
            label="Current password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <PasswordInput
            label="New password"
            description="At least 12 characters; a sentence works well. Ends your other sessions."
            autoComplete="new-password"
            minLength={12}
            required
            withAsterisk={false}
            value={next}
            onChange={(event) => setNext(event.currentTarget.value)}
          />
          <ErrorNote error={change.error} what="The password was not changed" />
          <Button type="submit" variant="default" loading={change.isPending} w="fit-content">
            Change the password
          </Button>
        </Stack>
      </form>
    </Section>
  );
}
