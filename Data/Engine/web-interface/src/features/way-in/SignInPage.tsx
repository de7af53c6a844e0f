import { Alert, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { enter } from "./enter";
import { Frame } from "./Frame";
import { PasskeySignIn } from "./PasskeySignIn";

const route = getRouteApi("/sign-in");

/** A passkey; or user name and password, then the second factor where there is one. */
export function SignInPage() {
  const { back } = route.useSearch();
  const router = useRouter();
  const [pending, setPending] = useState<{ token: string; username: string } | null>(null);
  const setup = useQuery({ queryKey: ["setup"], queryFn: () => take(api.GET("/api/setup")) });
  const go = () => router.history.replace(back ?? "/");

  if (pending) return <SecondFactor {...pending} onDone={go} onBack={() => setPending(null)} />;
  return (
    <Frame title="Sign in">
      {setup.data?.needed ? (
        <Alert color="yellow" variant="light" mb="md" title="Not set up yet">
          <Text size="sm">
            The first operator is made with a one-time link. It was shown when the Engine started; on the Engine's machine it
            is in Engine/Data/Secrets/setup.link.
          </Text>
        </Alert>
      ) : null}
      <Password onDone={go} onSecond={(token, username) => setPending({ token, username })} />
      <PasskeySignIn onDone={go} />
    </Frame>
  );
}

function Password({ onDone, onSecond }: { onDone: () => void; onSecond: (token: string, username: string) => void }) {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const login = useMutation({
    mutationFn: () => take(api.POST("/api/auth/login", { body: { username: username.trim(), password } })),
    onSuccess: (answer) => {
      setPassword("");
      if (answer.status === "mfa_required") {
        onSecond(answer.pending_token, answer.username);
        return;
      }
      enter(answer);
      onDone();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        login.mutate();
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
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <ErrorNote error={login.error} what="You are not signed in" />
        <Button type="submit" loading={login.isPending} fullWidth>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

interface SecondProps {
  token: string;
  username: string;
  onDone: () => void;
  onBack: () => void;
}

function SecondFactor({ token, username, onDone, onBack }: SecondProps) {
  const [code, setCode] = useState("");
  const [recovery, setRecovery] = useState(false);
  const verify = useMutation({
    mutationFn: () => take(api.POST("/api/auth/mfa/verify", { body: { pending_token: token, code: code.trim() } })),
    onSuccess: (answer) => {
      enter(answer);
      onDone();
    },
    onError: () => setCode(""),
  });
  return (
    <Frame title="Second factor" about={<>Signing in as {username}</>}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          verify.mutate();
        }}
      >
        <Stack gap="md">
          <TextInput
            key={recovery ? "recovery" : "app"}
            label={recovery ? "Recovery code" : "Code of your authenticator app"}
            description={recovery ? "One of the codes that you kept; each works once." : "Six digits; a new code comes every 30 seconds."}
            autoComplete="one-time-code"
            inputMode={recovery ? "text" : "numeric"}
            required
            withAsterisk={false}
            autoFocus
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
          <ErrorNote error={verify.error} what="The code was not accepted" />
          <Button type="submit" loading={verify.isPending} fullWidth>
            Go on
          </Button>
          <Button variant="subtle" size="xs" onClick={() => setRecovery(!recovery)}>
            {recovery ? "Use the authenticator app" : "Use a recovery code"}
          </Button>
          <Button variant="subtle" color="gray" size="xs" onClick={onBack}>
            Sign in as somebody else
          </Button>
        </Stack>
      </form>
    </Frame>
  );
}
