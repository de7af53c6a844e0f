import { FileButton, Button, PasswordInput, SegmentedControl, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconFileImport } from "@tabler/icons-react";
import type { CredentialKind, SecretDraft } from "./form";

interface Props {
  kind: CredentialKind;
  draft: SecretDraft;
  onChange: (part: Partial<SecretDraft>) => void;
}

/** A whole secret: whom to be, by what, and how rights are raised. It goes to the Engine and never comes back. */
export function SecretFields({ kind, draft, onChange }: Props) {
  const byKey = kind === "ssh" && draft.by === "key";
  return (
    <Stack gap="sm">
      <TextInput label="User" required value={draft.username} maxLength={256} autoComplete="off" onChange={(event) => onChange({ username: event.currentTarget.value })} />
      {kind === "ssh" ? (
        <SegmentedControl
          fullWidth
          aria-label="Signs in by"
          value={draft.by}
          onChange={(value) => onChange({ by: value })}
          data={[
            { value: "key", label: "Private key" },
            { value: "password", label: "Password" },
          ]}
        />
      ) : null}
      {byKey ? (
        <>
          <Textarea
            label="Private key"
            required
            description="OpenSSH or PEM. It is used by an agent that no playbook can read it from."
            autosize
            minRows={3}
            maxRows={8}
            spellCheck={false}
            autoComplete="off"
            value={draft.key}
            onChange={(event) => onChange({ key: event.currentTarget.value })}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12 } }}
          />
          <FileButton onChange={(file) => void file?.text().then((key) => onChange({ key }))}>
            {(props) => (
              <Button {...props} variant="default" size="compact-sm" leftSection={<IconFileImport size={14} aria-hidden />} style={{ alignSelf: "flex-start" }}>
                From a file…
              </Button>
            )}
          </FileButton>
          <Hidden label="Passphrase of the key" value={draft.passphrase} onChange={(passphrase) => onChange({ passphrase })} />
        </>
      ) : (
        <>
          <Hidden required label="Password" value={draft.password} onChange={(password) => onChange({ password })} />
          <Text size="xs" c="dimmed">
            Hidden in output. Yet whoever writes playbooks that use it can bring it out{kind === "ssh" ? "; a key they cannot" : ""}.
          </Text>
        </>
      )}
      {kind === "windows" ? (
        <Select
          label="Windows is told the password"
          allowDeselect={false}
          value={draft.transport}
          onChange={(value) => onChange({ transport: value === "basic" ? "basic" : "ntlm" })}
          data={[
            { value: "ntlm", label: "By challenge (NTLM)" },
            { value: "basic", label: "As it is (Basic), local accounts" },
          ]}
        />
      ) : null}
      <Select
        label="Raise rights on the machine"
        value={draft.become || "no"}
        allowDeselect={false}
        onChange={(value) => onChange({ become: (value === "no" ? "" : value) as SecretDraft["become"] })}
        data={[
          { value: "no", label: "Only as the playbook says" },
          ...(kind === "ssh" ? ["sudo", "su", "doas"] : ["runas"]).map((value) => ({ value, label: `By ${value}` })),
        ]}
      />
      {draft.become ? (
        <>
          <TextInput label="Become whom" placeholder="the usual one" maxLength={256} value={draft.becomeUser} onChange={(event) => onChange({ becomeUser: event.currentTarget.value })} />
          <Hidden label={`Password of ${draft.become}`} value={draft.becomePassword} onChange={(becomePassword) => onChange({ becomePassword })} />
        </>
      ) : null}
    </Stack>
  );
}

function Hidden({ label, value, required = false, onChange }: { label: string; value: string; required?: boolean; onChange: (value: string) => void }) {
  return (
    <PasswordInput
      label={label}
      required={required}
      autoComplete="new-password"
      maxLength={1024}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      visibilityToggleButtonProps={{ "aria-label": `Show: ${label}` }}
    />
  );
}
