import { Box, Button, Group, Select, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { DeviceField } from "@/features/devices/DeviceField";
import { useDevices } from "@/features/devices/queries";
import { PersonField } from "@/features/operators/PersonField";
import { useMidnight } from "@/ui/clock";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { TimeRange } from "@/ui/TimeRange";
import { exactly } from "@/ui/time";
import { detailText } from "./detail";
import { auditQuery, type AuditSearch } from "./search";

const route = getRouteApi("/shell/audit");
const PAGE = 100;
const FIELD = { base: "calc(50% - 5px)", xs: 170 };
const ACTIONS = [
  { value: "device.", label: "Devices" },
  { value: "enrolment.", label: "Enrolment" },
  { value: "run.", label: "Runs" },
  { value: "site.", label: "Sites" },
  { value: "user.", label: "Operators" },
  { value: "auth.", label: "Signing in" },
  { value: "token.", label: "Tokens" },
  { value: "signing_key.", label: "Signing key" },
];

/** Who did what to what, when and from where. Nothing here can be changed. */
export function AuditPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const devices = useDevices();
  const midnight = useMidnight();
  const asked = useInfiniteQuery({
    queryKey: ["audit", search, midnight],
    initialPageParam: null as number | null,
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/audit", {
          params: { query: { ...auditQuery(search, Date.now() / 1000), limit: PAGE, ...(pageParam === null ? {} : { before_id: pageParam }) } },
        }),
      ),
    getNextPageParam: (page) => page.next,
  });
  const change = (next: AuditSearch) => {
    const merged = Object.entries({ ...search, ...next }).filter(([, value]) => value);
    void navigate({ to: "/audit", search: Object.fromEntries(merged) });
  };
  const entries = asked.data?.pages.flatMap((page) => page.entries) ?? [];
  const names = new Map((devices.data ?? []).map((device) => [device.guid, device.hostname]));
  const people = [...new Set(entries.map((entry) => entry.actor))].filter((actor) => !actor.startsWith("device:"));
  const onDevice = search.target !== undefined && names.has(search.target);
  const narrowed = Object.keys(search).length > 0;
  const actions = search.action && !ACTIONS.some((one) => one.value === search.action) ? [{ value: search.action, label: search.action }, ...ACTIONS] : ACTIONS;

  return (
    <Page title="Audit log" about="Who did what, to what, when and from where. Press a value to see only that.">
      <Group gap="xs" align="flex-end">
        <PersonField
          key={`a${search.actor ?? ""}`}
          label="Who"
          w={FIELD}
          seen={people}
          value={search.actor ?? ""}
          onChange={(actor) => change({ actor })}
        />
        <Select
          label="What"
          placeholder="Anything"
          clearable
          w={FIELD}
          data={actions}
          value={search.action ?? null}
          onChange={(value) => change({ action: value ?? "" })}
        />
        {devices.data ? (
          <DeviceField
            label="Device"
            w={FIELD}
            value={onDevice ? search.target : undefined}
            onChange={(target) => change({ target })}
          />
        ) : null}
        <Exactly
          key={`t${onDevice ? "" : (search.target ?? "")}`}
          label="To what else"
          placeholder="A name, an id"
          value={onDevice ? "" : (search.target ?? "")}
          onChange={(target) => {
            const device = devices.data?.find((one) => one.hostname.toLowerCase() === target.toLowerCase());
            change({ target: device?.guid ?? target });
          }}
        />
        <TimeRange labelled search={search} onChange={change} />
        {narrowed ? (
          <Button variant="subtle" color="gray" onClick={() => void navigate({ to: "/audit", search: {} })}>
            Show all
          </Button>
        ) : null}
      </Group>
      <ErrorNote error={asked.error} what="The log could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data && entries.length === 0 ? <EmptyState title={narrowed ? "Nothing like that happened" : "Nothing happened yet"} /> : null}
      {entries.length > 0 ? (
        <SimpleTable
          label="Audit log"
          head={["When", "Who", "What", "To what", "Details", "From"]}
          rows={entries.map((entry) => ({
            key: String(entry.id),
            cells: [
              <span key="when" title={exactly(entry.at)}>
                <TimeAgo at={entry.at} />
              </span>,
              <Narrow key="who" text={actorName(entry.actor, names)} onPick={() => change({ actor: entry.actor })} />,
              <Narrow key="what" text={entry.action} onPick={() => change({ action: entry.action })} />,
              <Target key="target" entry={entry} name={names.get(entry.target)} onPick={() => change({ target: entry.target })} />,
              <Text key="detail" size="sm" c="dimmed" title={detailText(entry.detail, false)}>
                {detailText(entry.detail, true)}
              </Text>,
              entry.address,
            ],
          }))}
        />
      ) : null}
      {asked.hasNextPage ? (
        <Button variant="default" w="fit-content" loading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
          Older entries
        </Button>
      ) : null}
    </Page>
  );
}

/** Devices act too: `device:GUID` by its name. */
function actorName(actor: string, names: ReadonlyMap<string, string>): string {
  return actor.startsWith("device:") ? `device ${names.get(actor.slice(7)) ?? actor.slice(7)}` : actor;
}

function Target({ entry, name, onPick }: { entry: Schemas["AuditView"]; name: string | undefined; onPick: () => void }) {
  if (!entry.target) return null;
  return (
    <>
      <Text size="xs" c="dimmed">
        {entry.target_kind}
      </Text>
      <Narrow text={name ?? entry.target} onPick={onPick} />
    </>
  );
}

function Narrow({ text, onPick }: { text: string; onPick: () => void }) {
  return (
    <UnstyledButton onClick={onPick} fz="sm" style={{ overflowWrap: "anywhere", textDecoration: "underline dotted", textUnderlineOffset: 3 }} title={`Only ${text}`}>
      {text}
    </UnstyledButton>
  );
}

interface ExactlyProps {
  label: string;
  value: string;
  placeholder: string;
  onChange: (value: string) => void;
}

function Exactly({ label, value, placeholder, onChange }: ExactlyProps) {
  const [typed, setTyped] = useState(value);
  return (
    <Box
      component="form"
      w={FIELD}
      onSubmit={(event) => {
        event.preventDefault();
        onChange(typed.trim());
      }}
    >
      <TextInput
        label={label}
        placeholder={placeholder}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onBlur={() => {
          if (typed.trim() !== value) onChange(typed.trim());
        }}
      />
    </Box>
  );
}
