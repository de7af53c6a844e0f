import { Button, Group, NumberInput, SegmentedControl, Select, Stack, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { IconListSearch } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useMay } from "@/app/session";
import { listScreen } from "@/features/screen/queries";
import { ErrorNote } from "@/ui/ErrorNote";
import { MIN_INTERVAL, MODES, repeats, type Draft, type Settings, type Where } from "./settings";

const TIMES = [
  { value: "60", label: "a minute" },
  { value: "600", label: "10 minutes" },
  { value: "3600", label: "an hour" },
  { value: "28800", label: "8 hours" },
  { value: "86400", label: "a day" },
];

interface Props {
  guid: string;
  /** Who may be chosen; of a macro that runs nobody. */
  users: readonly string[];
  draft: Draft;
  onChange: (draft: Draft) => void;
  /** A macro that runs already: how long it may was said when it was started. */
  running: boolean;
}

/** What a macro types, where and when. */
export function MacroForm({ guid, users, draft, onChange, running }: Props) {
  const mayLook = useMay("screen.view");
  const listed = useMutation({ mutationFn: () => listScreen(guid, draft.user) });
  const { settings, where, user } = draft;
  const change = (part: Partial<Settings>) => onChange({ ...draft, settings: { ...settings, ...part } });
  const windows = (listed.data?.windows ?? []).map((one) => ({ value: String(one.id), label: `${one.title || one.program} (${one.id})` }));
  if (settings.window_handle && !windows.some((one) => one.value === String(settings.window_handle))) {
    windows.unshift({ value: String(settings.window_handle), label: `Window ${settings.window_handle}` });
  }
  const time = (name: "interval_ms" | "random_min" | "random_max", label: string) => (
    <NumberInput
      label={label}
      suffix=" ms"
      w={170}
      min={MIN_INTERVAL}
      max={86_400_000}
      allowDecimal={false}
      value={settings[name]}
      onChange={(value) => change({ [name]: typeof value === "number" ? value : 0 })}
    />
  );
  return (
    <Stack gap="md">
      <SegmentedControl
        aria-label="What it types"
        style={{ alignSelf: "flex-start" }}
        value={settings.macro_type}
        onChange={(value) => change({ macro_type: value })}
        data={[
          { value: "text", label: "A text" },
          { value: "keypress", label: "A key" },
        ]}
      />
      {settings.macro_type === "text" ? (
        <Textarea
          label="Text"
          description="Typed key by key. Whoever may start runs can read it: no passwords."
          autosize
          minRows={2}
          maxRows={10}
          maxLength={4096}
          value={settings.text}
          onChange={(event) => change({ text: event.currentTarget.value })}
        />
      ) : (
        <TextInput
          label="Key"
          description="One character, or a name: Enter, Tab, F5, Page Up, Ctrl+Shift+Tab"
          maw={320}
          maxLength={64}
          value={settings.key}
          onChange={(event) => change({ key: event.currentTarget.value })}
        />
      )}
      {users.length > 1 || (user && !running) ? (
        <Select
          label="Whose"
          description="On whose screen it types"
          maw={240}
          allowDeselect={false}
          data={[
            { value: "", label: "Who sits there" },
            ...[...new Set([...users, ...(user ? [user] : [])])].map((name) => ({ value: name, label: users.includes(name) ? name : `${name} (away)` })),
          ]}
          value={user}
          onChange={(value) => {
            onChange({ ...draft, user: value ?? "", settings: { ...settings, window_handle: 0 } });
            listed.reset();
          }}
        />
      ) : null}
      <Group gap="sm" align="flex-end">
        <Select
          label="Where"
          w={240}
          allowDeselect={false}
          data={[
            { value: "focus", label: "Whatever has the focus" },
            { value: "title", label: "The window with this title" },
            ...(mayLook || where === "list" ? [{ value: "list", label: "A window from the list" }] : []),
          ]}
          value={where}
          onChange={(value) => onChange({ ...draft, where: (value ?? "focus") as Where })}
        />
        {where === "title" ? (
          <TextInput
            label="Part of its title"
            w={280}
            maxLength={200}
            value={settings.window_title}
            onChange={(event) => change({ window_title: event.currentTarget.value })}
          />
        ) : null}
        {where === "list" ? (
          <>
            <Select
              label="Window"
              w={280}
              searchable
              allowDeselect={false}
              data={windows}
              nothingFoundMessage="None was listed yet"
              placeholder={listed.data ? "Choose one" : "List them first"}
              value={settings.window_handle ? String(settings.window_handle) : null}
              onChange={(value) => change({ window_handle: Number(value ?? 0) })}
            />
            {mayLook ? (
              <Button variant="default" leftSection={<IconListSearch size={16} aria-hidden />} loading={listed.isPending} onClick={() => listed.mutate()}>
                List its windows
              </Button>
            ) : null}
          </>
        ) : null}
      </Group>
      <ErrorNote error={listed.error} what="The windows could not be listed" />
      {where === "focus" ? null : (
        <Text size="sm" c="dimmed">
          The window is brought to the front when the macro starts. Where the user then turns to another one, the macro ends.
        </Text>
      )}
      <Group gap="sm" align="flex-end">
        <Select
          label="When"
          w={300}
          allowDeselect={false}
          data={MODES}
          value={settings.operation_mode}
          onChange={(value) => change({ operation_mode: (value ?? "Run Once") })}
        />
        {repeats(settings.operation_mode) ? (
          settings.randomize_interval ? (
            <>
              {time("random_min", "Shortest wait")}
              {time("random_max", "Longest wait")}
            </>
          ) : (
            time("interval_ms", "From one to the next")
          )
        ) : null}
        {running ? null : (
          <Select
            label="It ends after"
            w={140}
            allowDeselect={false}
            data={TIMES}
            value={String(draft.seconds)}
            onChange={(value) => onChange({ ...draft, seconds: Number(value ?? 3600) })}
          />
        )}
      </Group>
      {repeats(settings.operation_mode) ? (
        <Switch
          label="Vary the waits by chance"
          checked={settings.randomize_interval}
          onChange={(event) => change({ randomize_interval: event.currentTarget.checked })}
        />
      ) : null}
    </Stack>
  );
}
