import { Stack, Tabs, Text } from "@mantine/core";
import { CopyValue } from "@/ui/CopyValue";
import { TimeAgo } from "@/ui/TimeAgo";
import { commandsFor, type Command } from "./commands";
import type { NewCode } from "./queries";

function Commands({ commands }: { commands: readonly Command[] }) {
  return (
    <Stack gap="sm">
      {commands.map((one) => (
        <div key={one.title}>
          <Text size="sm" fw={550}>
            {one.title}
          </Text>
          <Text size="xs" c="dimmed" mb={4}>
            {one.about}
          </Text>
          <CopyValue value={one.command} name={`command: ${one.title}`} block />
        </div>
      ))}
    </Stack>
  );
}

/** A token just made, and what to type with it. It is shown once. */
export function TokenCommands({ code }: { code: NewCode }) {
  const { linux, windows } = commandsFor(code.token);
  return (
    <Stack gap="sm">
      <Text size="sm">
        For {code.max_uses === 1 ? "one device" : `${code.max_uses} devices`}; expires <TimeAgo at={code.expires_at} />. It is
        shown now and never again.
      </Text>
      <Tabs defaultValue="linux">
        <Tabs.List mb="sm">
          <Tabs.Tab value="linux">Linux</Tabs.Tab>
          <Tabs.Tab value="windows">Windows</Tabs.Tab>
          <Tabs.Tab value="token">Token alone</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="linux">
          <Commands commands={linux} />
        </Tabs.Panel>
        <Tabs.Panel value="windows">
          <Commands commands={windows} />
        </Tabs.Panel>
        <Tabs.Panel value="token">
          <CopyValue value={code.token} name="token" block />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
