import { Badge, Button, Group, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { browserOf } from "./browser";

/** Where one is signed in; any of it can be ended. */
export function SessionsSection() {
  const client = useQueryClient();
  const asked = useQuery({
    queryKey: ["sessions"],
    queryFn: async () => (await take(api.GET("/api/auth/sessions"))).sessions,
  });
  const refresh = () => client.invalidateQueries({ queryKey: ["sessions"] });
  const end = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/auth/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSuccess: refresh,
  });
  const endOthers = useMutation({
    mutationFn: () => take(api.DELETE("/api/auth/sessions")),
    onSuccess: async (answer) => {
      told(answer.ended === 1 ? "One other session has ended." : `${answer.ended} other sessions have ended.`);
      await refresh();
    },
  });
  const sessions = asked.data ?? [];
  return (
    <Section
      title="Signed in"
      actions={
        sessions.length > 1 ? (
          <Button size="xs" variant="default" loading={endOthers.isPending} onClick={() => endOthers.mutate()}>
            Sign out everywhere else
          </Button>
        ) : null
      }
    >
      <ErrorNote error={asked.error ?? end.error ?? endOthers.error} />
      <SimpleTable
        label="Your sessions"
        head={["Browser", "Address", "Last used", "Since", ""]}
        rows={sessions.map((session) => ({
          key: session.id,
          cells: [
            <Group key="browser" gap={8}>
              <Text size="sm" title={session.user_agent}>
                {browserOf(session.user_agent)}
              </Text>
              {session.current ? (
                <Badge size="sm" variant="light">
                  this one
                </Badge>
              ) : null}
            </Group>,
            session.address,
            <TimeAgo key="used" at={session.last_seen_at} />,
            <TimeAgo key="since" at={session.created_at} />,
            session.current ? null : (
              <Button
                key="end"
                size="compact-xs"
                variant="subtle"
                color="gray"
                aria-label={`Sign out ${browserOf(session.user_agent)} at ${session.address}`}
                onClick={() => end.mutate(session.id)}
              >
                Sign out
              </Button>
            ),
          ],
        }))}
      />
    </Section>
  );
}
