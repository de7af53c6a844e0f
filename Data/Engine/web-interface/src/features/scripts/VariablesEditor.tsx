import { ActionIcon, Button, Checkbox, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { NEW_VARIABLE, VARIABLE_TYPES, variableProblem, type Variable } from "./parts";

interface Props {
  variables: readonly Variable[];
  onChange: (variables: Variable[]) => void;
  /** Declare them for a script (with a default, a label) rather than give them values for one run. */
  declare?: boolean;
  disabled?: boolean;
}

const SMALL = { size: "sm" } as const;

/** Variables: the script gets each as an environment variable of its name. */
export function VariablesEditor({ variables, onChange, declare = false, disabled = false }: Props) {
  const change = (place: number, part: Partial<Variable>) =>
    onChange(variables.map((one, at) => (at === place ? { ...one, ...part } : one)));
  return (
    <Stack gap="xs">
      {variables.map((variable, place) => {
        const problem = variable.name === "" ? null : variableProblem(variable, variables);
        const named = variable.name || `variable ${place + 1}`;
        return (
          <Paper key={place} withBorder p="xs" role="group" aria-label={named}>
            <Group gap="xs" align="flex-end" wrap="wrap">
              <TextInput
                {...SMALL}
                label="Name"
                flex="1 1 130px"
                value={variable.name}
                disabled={disabled}
                autoComplete="off"
                spellCheck={false}

                onChange={(event) => change(place, { name: event.currentTarget.value })}
              />
              <Select
                {...SMALL}
                label="Type"
                w={124}
                allowDeselect={false}
                disabled={disabled}
                data={
                  variable.type === "credential"
                    ? [...VARIABLE_TYPES, { value: "credential", label: "Credential" }]
                    : [...VARIABLE_TYPES]
                }
                value={variable.type}
                onChange={(type) => change(place, { type: type ?? "string", ...(type === variable.type ? {} : { value: "" }) })}
              />
              <ValueField
                label={declare ? "Default" : "Value"}
                variable={variable}
                disabled={disabled || variable.type === "credential"}
                onChange={(value) => change(place, { value })}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                size={36}
                disabled={disabled}
                aria-label={`Remove ${named}`}
                onClick={() => onChange(variables.filter((_, at) => at !== place))}
              >
                <IconTrash size={17} aria-hidden />
              </ActionIcon>
            </Group>
            {declare ? (
              <Group gap="xs" mt={6} align="flex-end">
                <TextInput {...SMALL} label="Label" flex="1 1 130px" value={variable.label} disabled={disabled} onChange={(event) => change(place, { label: event.currentTarget.value })} />
                <TextInput {...SMALL} label="What it is for" flex="2 1 200px" value={variable.description} disabled={disabled} onChange={(event) => change(place, { description: event.currentTarget.value })} />
                <Checkbox label="Required" pb={8} checked={variable.required} disabled={disabled} onChange={(event) => change(place, { required: event.currentTarget.checked })} />
              </Group>
            ) : null}
            {problem ? (
              <Text size="xs" c="red" mt={4} role="alert">
                {problem}
              </Text>
            ) : null}
          </Paper>
        );
      })}
      {disabled ? null : (
        <Button variant="default" size="xs" w="fit-content" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => onChange([...variables, NEW_VARIABLE])}>
          Add a variable
        </Button>
      )}
    </Stack>
  );
}

/** The value of one variable, by its type. */
export function ValueField({
  variable,
  label,
  onChange,
  disabled = false,
  wide = false,
}: {
  variable: Variable;
  label: string;
  onChange: (value: string) => void;
  disabled?: boolean;
  wide?: boolean;
}) {
  const size = wide ? { w: "100%" } : { flex: "1 1 130px" };
  const shared = { size: "sm", label, disabled, ...size, ...(wide && variable.description ? { description: variable.description } : {}), ...(wide && variable.required ? { withAsterisk: true } : {}) };
  if (variable.type === "boolean") {
    return (
      <Select
        {...shared}
        placeholder="Not set"
        clearable
        data={[
          { value: "true", label: "Yes" },
          { value: "false", label: "No" },
        ]}
        value={variable.value === "true" || variable.value === "false" ? variable.value : null}
        onChange={(value) => onChange(value ?? "")}
      />
    );
  }
  return (
    <TextInput
      {...shared}
      inputMode={variable.type === "number" ? "decimal" : "text"}
      autoComplete="off"
      spellCheck={false}
      value={variable.value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
