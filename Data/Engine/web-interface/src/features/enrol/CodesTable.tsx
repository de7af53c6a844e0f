import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import { useSites } from "@/features/sites/queries";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { CODES, useCodes } from "./queries";

/** Codes that were handed out; only their first group is known. */
export function CodesTable({ may }: { may: boolean }) {
  const client = useQueryClient();
  const asked = useCodes();
  const sites = useSites();
  const remove = useMutation({
    mutationFn: (id: number) => take(api.DELETE("/api/admin/enrollment-codes/{code_id}", { params: { path: { code_id: id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: CODES }),
  });
  const names = new Map((sites.data ?? []).map((site) => [site.id, site.name]));
  const codes = (asked.data ?? []).toReversed();
  return (
    <Section title="Tokens handed out">
      <ErrorNote error={asked.error ?? remove.error} />
      {asked.data && codes.length === 0 ? (
        <EmptyState title="None" />
      ) : (
        <SimpleTable
          label="Enrolment codes"
          head={["Code", "State", "Used", "Site", "Made", "Expires", ""]}
          rows={codes.map((code) => ({
            key: String(code.id),
            cells: [
              <code key="code">{code.code}</code>,
              code.status,
              `${code.use_count} of ${code.max_uses}`,
              code.site_id === null ? "no site" : (names.get(code.site_id) ?? `site ${code.site_id}`),
              <span key="made">
                <TimeAgo at={code.created_at} /> by {code.created_by_username}
              </span>,
              <TimeAgo key="expires" at={code.expires_at} />,
              may ? (
                <Button
                  key="delete"
                  size="compact-xs"
                  variant="subtle"
                  color="red"
                  aria-label={`Delete the code ${code.code}`}
                  onClick={() => remove.mutate(code.id)}
                >
                  Delete
                </Button>
              ) : null,
            ],
          }))}
        />
      )}
    </Section>
  );
}
