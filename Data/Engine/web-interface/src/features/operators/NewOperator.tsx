import { Button, Drawer, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { told } from "@/ui/told";
import { Rights, type RightsValue } from "./Rights";

/** Makes an operator. */
export function NewOperator({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Drawer opened={opened} onClose={onClose} position="right" title="New operator" closeButtonProps={{ "aria-label": "Close" }}>
      {opened ? <Form onClose={onClose} /> : null}
    </Drawer>
  );
}

function Form({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [username, setUsername] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [rights, setRights] = useState<RightsValue>({ role: "Operator", sites: null });
  const make = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/users", {
          body: { username: username.trim(), display_name: name.trim(), password, role: rights.role, sites: rights.sites },
        }),
      ),
    onSuccess: async () => {
      told(`${username.trim()} may sign in now.`);
      onClose();
      await client.invalidateQueries({ queryKey: ["operators"] });
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
          label="User name"
          required
          withAsterisk={false}
          data-autofocus
          autoComplete="off"
          spellCheck={false}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <TextInput label="Name" value={name} autoComplete="off" onChange={(event) => setName(event.currentTarget.value)} />
        <PasswordInput
          label="First password"
          description="At least 12 characters. Tell it to them, and that they should change it."
          required
          withAsterisk={false}
          minLength={12}
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Rights value={rights} onChange={setRights} />
        <ErrorNote error={make.error} what="The operator was not made" />
        <Button type="submit" loading={make.isPending}>
          Make the operator
        </Button>
      </Stack>
    </form>
  );
}
