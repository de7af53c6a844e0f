import { ActionIcon, Button, Group, Select, Text, TextInput, Tooltip } from "@mantine/core";
import { IconDownload, IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useLayoutEffect, useRef, useState } from "react";
import { api, take } from "@/api/client";
import { download } from "@/ui/download";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { bytes } from "@/ui/time";
import classes from "@/ui/Log.module.css";

const route = getRouteApi("/shell/server");
const FOLLOW_MS = 4000;

/** The Engine's log files: the end of one, followed until the reader scrolls up. */
export function Logs() {
  const { log } = route.useSearch();
  const navigate = useNavigate();
  const [lines, setLines] = useState("500");
  const [wanted, setWanted] = useState("");
  const [atEnd, setAtEnd] = useState(true);
  const box = useRef<HTMLPreElement>(null);
  const list = useQuery({ queryKey: ["logs"], queryFn: () => take(api.GET("/api/server/logs")) });
  const name = log ?? list.data?.files.find((file) => file.name.endsWith(".log"))?.name ?? list.data?.files[0]?.name;
  const asked = useQuery({
    queryKey: ["logs", name, lines],
    queryFn: () => take(api.GET("/api/server/logs", { params: { query: { name: name ?? "", lines: Number(lines) } } })),
    enabled: name !== undefined,
    refetchInterval: atEnd ? FOLLOW_MS : false,
  });
  const words = wanted.toLowerCase();
  const shown = (asked.data?.lines ?? []).filter((line) => line.toLowerCase().includes(words));
  const text = shown.join("\n");

  useLayoutEffect(() => {
    const element = box.current;
    if (atEnd && element) element.scrollTop = element.scrollHeight;
  }, [text, atEnd]);

  return (
    <Section
      title="Logs"
      actions={
        <Group gap={6}>
          <Tooltip label="Read again">
            <ActionIcon variant="default" aria-label="Read the log again" onClick={() => void asked.refetch()}>
              <IconRefresh size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <Tooltip label="Save what is shown">
            <ActionIcon
              variant="default"
              aria-label="Save what is shown"
              disabled={!text}
              onClick={() => download(name ?? "engine.log", `${text}\n`, "text/plain")}
            >
              <IconDownload size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Group>
      }
    >
      <Group gap="xs" mb="xs">
        <Select
          aria-label="Log file"
          w={{ base: "100%", xs: 260 }}
          placeholder={list.data?.files.length === 0 ? "No log files" : "Log file"}
          data={(list.data?.files ?? []).map((file) => ({ value: file.name, label: `${file.name} (${bytes(file.size)})` }))}
          value={name ?? null}
          allowDeselect={false}
          onChange={(value) => void navigate({ to: "/server", search: value ? { log: value } : {}, replace: true, resetScroll: false })}
        />
        <Select
          aria-label="How many lines"
          w={130}
          data={["200", "500", "2000", "5000"].map((value) => ({ value, label: `${value} lines` }))}
          value={lines}
          allowDeselect={false}
          onChange={(value) => setLines(value ?? "500")}
        />
        <TextInput
          aria-label="Lines with"
          placeholder="Lines with…"
          w={{ base: "100%", xs: 200 }}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        <Text size="sm" c="dimmed">
          {wanted ? `${shown.length} of ${asked.data?.lines.length ?? 0} lines` : atEnd ? "follows the end" : ""}
        </Text>
        {!atEnd ? (
          <Button size="compact-sm" variant="default" onClick={() => setAtEnd(true)}>
            To the end
          </Button>
        ) : null}
      </Group>
      <ErrorNote error={list.error ?? asked.error} what="The log could not be read" />
      <pre
        ref={box}
        className={classes.log}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard has to reach it
        tabIndex={0}
        role="region"
        aria-label={`End of the log ${name ?? ""}`}
        onScroll={(event) => {
          const element = event.currentTarget;
          setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 24);
        }}
      >
        {asked.data?.cut ? "…\n" : ""}
        {text || (asked.isPending ? "" : "Nothing here.")}
      </pre>
    </Section>
  );
}
