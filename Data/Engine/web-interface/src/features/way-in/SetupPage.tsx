import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, take } from "@/api/client";
import { TextLink } from "@/ui/links";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { enter } from "./enter";
import { Frame } from "./Frame";

const SHORTEST = 12;

/** Makes the first operator, with the one-time link whose part after `#` never leaves the browser but to set up. */
export function SetupPage() {
  const [token] = useState(() => window.location.hash.slice(1));
  const navigate = useNavigate();
  const state = useQuery({ queryKey: ["setup"], queryFn: () => take(api.GET("/api/setup")) });
  const [username, setUsername] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const differs = again !== "" && again !== password;
  const make = useMutation({
    mutationFn: () =>
      take(api.POST("/api/setup", { body: { token, username: username.trim(), password, display_name: name.trim() } })),
    onSuccess: async (answer) => {
      enter(answer);
      await navigate({ to: "/", replace: true });
    },
  });

  if (state.isPending) return <Loading />;
  if (state.data && !state.data.needed) {
    return (
      <Frame title="Already set up">
        <Text size="sm">
          The first operator was made before; the link works once.{" "}
          <TextLink to="/sign-in" size="sm">
            Sign in
          </TextLink>
        </Text>
      </Frame>
    );
  }
  if (!token) {
    return (
      <Frame title="The link is not whole">
        <Text size="sm">
          Open the one-time link as it was shown, with everything after the #. On the Engine's machine it is in
          Engine/Data/Secrets/setup.link.
        </Text>
      </Frame>
    );
  }
  return (
    <Frame title="Welcome" about="Make the first operator. It may do everything, and makes the others.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (password === again) make.mutate();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="User name"
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            withAsterisk={false}
            autoFocus
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
          <TextInput
            label="Your name"
            description="As colleagues know you; may stay empty."
            autoComplete="name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <PasswordInput
            label="Password"
            description={`At least ${SHORTEST} characters; a sentence works well.`}
            name="new-password"
            autoComplete="new-password"
            minLength={SHORTEST}
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <PasswordInput
            label="The password again"
            autoComplete="new-password"
            required
            withAsterisk={false}
            value={again}
            error={differs ? "The two are not the same." : null}
            onChange={(event) => setAgain(event.currentTarget.value)}
          />
          <ErrorNote error={make.error ?? state.error} what="The operator was not made" />
          <Button type="submit" loading={make.isPending} fullWidth disabled={differs}>
            Make the operator and sign in
          </Button>
        </Stack>
      </form>
    </Frame>
  );
}
