import { Button, Group, NumberInput, Select, Stack, Switch, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/app/session";
import type { Site } from "@/features/sites/queries";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { told } from "@/ui/told";
import { inWords, policyOf } from "./policy";
import { DESKTOP_POLICY, forgetPolicy, setPolicy, useDesktopPolicies, type Consent, type DesktopPolicy } from "./queries";

const CONSENT: readonly { value: Consent; label: string }[] = [
  { value: "never", label: "No: they are shown that somebody watches" },
  { value: "ask", label: "Yes: no answer is a no" },
];

interface Editing {
  /** Null: all sites without a policy of their own. */
  site: Site | null;
  policy: DesktopPolicy;
  own: boolean;
}

/** Whether users are asked before somebody sees their desktop, site by site. */
export function PolicySection({ sites }: { sites: readonly Site[] }) {
  const asked = useDesktopPolicies(true);
  const may = useMay("sites.edit");
  const [editing, setEditing] = useState<Editing | null>(null);
  const list = asked.data;
  const rows = [null, ...sites].flatMap((site) => {
    const policy = policyOf(list, site?.id ?? null);
    return policy ? [{ site, policy, own: site !== null && policy.site_id === site.id }] : [];
  });
  return (
    <Section title="Remote desktops">
      <ErrorNote error={asked.error} what="The policies could not be read" onRetry={() => void asked.refetch()} />
      <SimpleTable
        label="Policies of remote desktops"
        head={["Where", "Policy", "Set by", ""]}
        rows={rows.map((row) => ({
          key: String(row.site?.id ?? 0),
          cells: [
            row.site?.name ?? "All sites without their own",
            row.site && !row.own ? <Text key="policy" size="sm" c="dimmed">{`as all others: ${inWords(row.policy)}`}</Text> : inWords(row.policy),
            row.site && !row.own ? "" : row.policy.updated_by || "nobody yet",
            may ? (
              <Group key="acts" justify="flex-end">
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="gray"
                  aria-label={`Change the policy of ${row.site?.name ?? "all sites without their own"}`}
                  onClick={() => setEditing(row)}
                >
                  Change
                </Button>
              </Group>
            ) : null,
          ],
        }))}
      />
      {editing ? <EditPolicy {...editing} onClose={() => setEditing(null)} /> : null}
    </Section>
  );
}

function EditPolicy({ site, policy, own, onClose }: Editing & { onClose: () => void }) {
  const client = useQueryClient();
  const [isOwn, setOwn] = useState(own || site === null);
  const [consent, setConsent] = useState(policy.consent);
  const [seconds, setSeconds] = useState(policy.ask_seconds);
  const [viewOnly, setViewOnly] = useState(policy.view_only);
  const save = useMutation({
    mutationFn: async () => {
      if (site && !isOwn) await forgetPolicy(site.id);
      else await setPolicy({ site_id: site?.id ?? null, consent, ask_seconds: seconds, view_only: viewOnly });
    },
    onSuccess: async () => {
      told("The policy of remote desktops was changed.");
      onClose();
      await client.invalidateQueries({ queryKey: DESKTOP_POLICY });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Remote desktops: ${site?.name ?? "all sites without their own policy"}`}
      act="Save"
      ready={seconds >= 5 && seconds <= 120}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate()}
    >
      <Stack gap="sm">
        {site ? <Switch label="This site has a policy of its own" checked={isOwn} onChange={(event) => setOwn(event.currentTarget.checked)} /> : null}
        {isOwn ? (
          <>
            <Select
              label="Is the signed-in user asked first?"
              allowDeselect={false}
              data={CONSENT}
              value={consent}
              onChange={(value) => setConsent(value ?? "never")}
            />
            {consent === "ask" ? (
              <NumberInput
                label="Seconds for an answer"
                min={5}
                max={120}
                allowDecimal={false}
                value={seconds}
                onChange={(value) => setSeconds(Number(value))}
              />
            ) : null}
            <Switch
              label="View only"
              description="Nobody types or points there. Whoever does now is shut out."
              checked={viewOnly}
              onChange={(event) => setViewOnly(event.currentTarget.checked)}
            />
          </>
        ) : null}
      </Stack>
    </Confirm>
  );
}
