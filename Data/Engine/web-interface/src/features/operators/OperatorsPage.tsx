import { Badge, Button, Group, Menu, Text } from "@mantine/core";
import { IconChevronDown, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, take, type Schemas } from "@/api/client";
import { useMe } from "@/app/session";
import { useSites } from "@/features/sites/queries";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { NewOperator } from "./NewOperator";
import { OperatorDialogs, type Asked } from "./OperatorDialogs";

export const OPERATORS = ["operators"] as const;

type Operator = Schemas["UserView"];

/** Who may sign in, and what they may do. */
export function OperatorsPage() {
  const me = useMe();
  const sites = useSites();
  const asked = useQuery({ queryKey: OPERATORS, queryFn: async () => (await take(api.GET("/api/users"))).users });
  const [adding, setAdding] = useState(false);
  const [dialog, setDialog] = useState<Asked | null>(null);
  const names = new Map((sites.data ?? []).map((site) => [site.id, site.name]));

  const sitesOf = (operator: Operator) => {
    if (operator.sites === null) return "all sites";
    if (operator.sites.length === 0) return "none";
    return operator.sites.map((id) => names.get(id) ?? `site ${id}`).join(", ");
  };

  return (
    <Page
      title="Operators"
      about="Admins may do everything; Operators run scripts, change devices and let them in; Viewers look."
      actions={
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
          New operator
        </Button>
      }
    >
      <ErrorNote error={asked.error} what="The operators could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data ? (
        <SimpleTable
          label="Operators"
          head={["Operator", "Role", "Sites", "Second factor", "Last sign-in", ""]}
          rows={asked.data.map((operator) => ({
            key: operator.username,
            cells: [
              <div key="name">
                <Group gap={8}>
                  <Text size="sm" fw={550}>
                    {operator.username}
                  </Text>
                  {operator.username === me?.username ? (
                    <Badge size="sm" variant="light">
                      you
                    </Badge>
                  ) : null}
                  {operator.disabled ? (
                    <Badge size="sm" variant="light" color="red">
                      barred
                    </Badge>
                  ) : null}
                </Group>
                {operator.display_name ? (
                  <Text size="xs" c="dimmed">
                    {operator.display_name}
                  </Text>
                ) : null}
              </div>,
              operator.role,
              sitesOf(operator),
              operator.mfa_enabled ? "on" : "off",
              <TimeAgo key="login" at={operator.last_login} />,
              operator.username === me?.username ? null : (
                <Menu key="acts" position="bottom-end" width={220}>
                  <Menu.Target>
                    <Button
                      size="compact-sm"
                      variant="default"
                      rightSection={<IconChevronDown size={14} aria-hidden />}
                      aria-label={`Change ${operator.username}`}
                    >
                      Change
                    </Button>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Item onClick={() => setDialog({ operator, what: "rights" })}>Role and sites…</Menu.Item>
                    <Menu.Item onClick={() => setDialog({ operator, what: "password" })}>New password…</Menu.Item>
                    {operator.mfa_enabled ? (
                      <Menu.Item onClick={() => setDialog({ operator, what: "mfa" })}>Take the second factor away…</Menu.Item>
                    ) : null}
                    <Menu.Item onClick={() => setDialog({ operator, what: "bar" })}>
                      {operator.disabled ? "Let in again…" : "Bar from signing in…"}
                    </Menu.Item>
                    <Menu.Divider />
                    <Menu.Item c="red" onClick={() => setDialog({ operator, what: "delete" })}>
                      Delete…
                    </Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              ),
            ],
          }))}
        />
      ) : null}
      <NewOperator opened={adding} onClose={() => setAdding(false)} />
      {dialog ? (
        <OperatorDialogs key={`${dialog.operator.username} ${dialog.what}`} asked={dialog} onClose={() => setDialog(null)} />
      ) : null}
    </Page>
  );
}
