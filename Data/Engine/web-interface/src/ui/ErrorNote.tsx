import { Alert, Button, CopyButton, Group, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { describe } from "@/api/errors";

interface Props {
  error: unknown;
  /** What was being done: "The device was not renamed". */
  what?: string | undefined;
  onRetry?: (() => void) | undefined;
}

/** A failure: what happened, the Engine's sentence, its code; can be copied whole. Nothing where there is none. */
export function ErrorNote({ error, what, onRetry }: Props) {
  if (error === null || error === undefined) return null;
  const { code, sentence } = describe(error);
  const whole = [what, sentence, `Code: ${code}`, `Page: ${window.location.pathname}`, new Date().toISOString()]
    .filter(Boolean)
    .join("\n");
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle aria-hidden />} title={what ?? "That did not work"} role="alert">
      <Text size="sm">{sentence}</Text>
      <Group gap="xs" mt="xs">
        <Text size="xs" ff="monospace" c="dimmed">
          {code}
        </Text>
        <CopyButton value={whole}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="subtle" color="red" onClick={copy}>
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
        {onRetry ? (
          <Button size="compact-xs" variant="subtle" color="red" onClick={onRetry}>
            Try again
          </Button>
        ) : null}
      </Group>
    </Alert>
  );
}
