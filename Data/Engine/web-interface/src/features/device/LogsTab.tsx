import { ActionIcon, Button, Group, Select, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { IconDownload, IconFileText } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { isConnected } from "@/features/devices/state";
import { download } from "@/ui/download";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import classes from "@/ui/Log.module.css";
import { bytes } from "@/ui/time";
import { readAgentLog } from "./agentLog";
import { useThisDevice } from "./useThisDevice";

const FIRST = "agent.log";

/** The logs of the device's agent, read when somebody asks. */
export function LogsTab() {
  const device = useThisDevice();
  const [wanted, setWanted] = useState("");
  const reading = useMutation({ mutationFn: (name: string) => readAgentLog(device?.guid ?? "", name) });
  if (!device) return null;
  if (!isConnected(device) && !reading.data) {
    return (
      <EmptyState title="The device is not connected" icon={IconFileText}>
        The logs are on the device. They can be read when it is back.
      </EmptyState>
    );
  }
  const log = reading.data;
  const words = wanted.toLowerCase();
  const shown = (log?.lines ?? []).filter((line) => line.toLowerCase().includes(words));
  const text = shown.join("\n");
  return (
    <Stack gap="sm">
      <Group gap="xs">
        {log ? (
          <>
            <Select
              aria-label="Log file"
              w={{ base: "100%", xs: 260 }}
              data={log.files.map((file) => ({ value: file.name, label: `${file.name} (${bytes(file.size)})` }))}
              value={log.name}
              allowDeselect={false}
              disabled={reading.isPending}
              onChange={(name) => reading.mutate(name ?? FIRST)}
            />
            <TextInput
              aria-label="Lines with"
              placeholder="Lines with…"
              w={{ base: "100%", xs: 200 }}
              value={wanted}
              onChange={(event) => setWanted(event.currentTarget.value)}
            />
          </>
        ) : null}
        <Button variant={log ? "default" : "filled"} loading={reading.isPending} onClick={() => reading.mutate(log?.name ?? FIRST)}>
          {log ? "Read again" : "Read the agent's log"}
        </Button>
        {log ? (
          <Tooltip label="Save what is shown">
            <ActionIcon
              variant="default"
              size="lg"
              aria-label="Save what is shown"
              disabled={!text}
              onClick={() => download(`${device.hostname}-${log.name}`, `${text}\n`, "text/plain")}
            >
              <IconDownload size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        ) : null}
      </Group>
      <Text size="sm" c="dimmed">
        {log
          ? `${shown.length.toLocaleString()} of ${log.lines.length.toLocaleString()} lines, the end of the file`
          : "A signed script reads it on the device; the reading stands in the activity like any other run."}
      </Text>
      <ErrorNote error={reading.error} what="The log could not be read" />
      {log ? (
        <pre
          className={classes.log}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard has to reach it
          tabIndex={0}
          role="region"
          aria-label={`End of the log ${log.name}`}
          ref={(element) => {
            if (element) element.scrollTop = element.scrollHeight;
          }}
        >
          {log.cut ? "…\n" : ""}
          {text || "Nothing here."}
        </pre>
      ) : null}
    </Stack>
  );
}
