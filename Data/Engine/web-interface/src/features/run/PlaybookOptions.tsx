import { Checkbox, Group, PasswordInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { credentialLabel, useCredentials } from "@/features/credentials/queries";
import type { PlaybookDraft } from "./playbook";

interface Props {
  options: PlaybookDraft;
  /** Whether a machine without an agent is meant. */
  agentless: boolean;
  onChange: (options: PlaybookDraft) => void;
}

/** How a playbook is run. Extra variables are the variables of the run. */
export function PlaybookOptions({ options, agentless, onChange }: Props) {
  const credentials = useCredentials();
  const change = (part: Partial<PlaybookDraft>) => onChange({ ...options, ...part });
  return (
    <Stack gap="sm">
      <Group gap="lg">
        <Checkbox label="Check only: change nothing" checked={options.check} onChange={(event) => change({ check: event.currentTarget.checked })} />
        <Checkbox label="Show differences" checked={options.diff} onChange={(event) => change({ diff: event.currentTarget.checked })} />
      </Group>
      <Group grow align="flex-start">
        <TextInput label="Only these tags" placeholder="all" value={options.tags} onChange={(event) => change({ tags: event.currentTarget.value })} />
        <TextInput label="Not these tags" placeholder="none" value={options.skipTags} onChange={(event) => change({ skipTags: event.currentTarget.value })} />
      </Group>
      <TextInput
        label="Only these hosts"
        placeholder="all that the playbook names"
        maxLength={512}
        value={options.limit}
        onChange={(event) => change({ limit: event.currentTarget.value })}
      />
      <PasswordInput
        label="Vault password"
        description="Sealed for each run, kept nowhere, hidden in the output."
        autoComplete="off"
        maxLength={8192}
        value={options.vaultPassword}
        onChange={(event) => change({ vaultPassword: event.currentTarget.value })}
        visibilityToggleButtonProps={{ "aria-label": "Show the vault password" }}
      />
      {agentless ? (
        <Select
          label="Credential where there is no agent"
          placeholder="each machine's own"
          clearable
          value={options.credential || null}
          onChange={(value) => change({ credential: value ?? "" })}
          data={(credentials.data ?? []).map((one) => ({ value: String(one.id), label: credentialLabel(one) }))}
        />
      ) : null}
      <Text size="xs" c="dimmed">
        Ansible is installed when the first playbook comes, on the device, or on the Engine where there is no agent: some 66 MB.
      </Text>
    </Stack>
  );
}
