import { Alert, Button, Checkbox, Group, Paper, Radio, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { TextLink } from "@/ui/links";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { Fingerprint } from "@/ui/Fingerprint";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { APPROVALS, CODES, type Approval } from "./queries";

const KINDS: Record<string, string> = {
  hostname: "Another device has this name, with another key",
  duplicate_identity: "This key is already in use by a device that is here",
  withdrawn_device: "A device with this key was revoked or quarantined",
  same_key: "This device is known: it comes back with the same key",
};

const CHANNELS = {
  bound: "shown: it talks to this Engine itself",
  unbound: "not shown",
  unknown: "not shown yet",
} as const;

type Resolution = "merge" | "coexist" | "overwrite";

/** A device that knocks: its fingerprint to compare, what is in its way, and the decision. */
export function ApprovalCard({ approval, may }: { approval: Approval; may: boolean }) {
  const client = useQueryClient();
  const [resolution, setResolution] = useState<Resolution | null>(null);
  const [unbound, setUnbound] = useState(false);
  const conflict = approval.hostname_conflict;
  const mustChoose = conflict?.requires_prompt ?? approval.conflict_requires_prompt;
  const reference = { params: { path: { reference: approval.approval_reference } } };

  const refresh = async () => {
    await client.invalidateQueries({ queryKey: APPROVALS });
    await client.invalidateQueries({ queryKey: CODES });
  };
  const approve = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/admin/device-approvals/{reference}/approve", {
          ...reference,
          body: {
            guid: resolution === "merge" ? (conflict?.guid ?? null) : null,
            conflict_resolution: resolution,
            accept_unbound: unbound,
          },
        }),
      ),
    onSuccess: () => told(`${approval.hostname_claimed} is approved. It comes in with its next call, within seconds.`),
    onSettled: refresh,
  });
  const deny = useMutation({
    mutationFn: () => take(api.POST("/api/admin/device-approvals/{reference}/deny", reference)),
    onSuccess: () => told(`${approval.hostname_claimed} was denied.`),
    onSettled: refresh,
  });
  const ready = (!mustChoose || resolution !== null) && (approval.channel !== "unbound" || unbound);

  return (
    <Paper withBorder p="md" component="article" tabIndex={-1} data-key={approval.approval_reference} aria-label={`${approval.hostname_claimed} waits for approval`}>
      <Stack gap="md">
        <Group justify="space-between" gap="xs">
          <Group gap="sm">
            <Title order={3} size="h5" style={{ overflowWrap: "anywhere" }}>
              {approval.hostname_claimed}
            </Title>
            <StatusMark status="waiting" />
          </Group>
          <Text size="sm" c="dimmed" component="span">
            knocked <TimeAgo at={approval.created_at} /> · expires <TimeAgo at={approval.expires_at} />
          </Text>
        </Group>
        <SimpleGrid cols={{ base: 1, md: conflict ? 2 : 1 }} spacing="xl">
          <div>
            <Text size="sm" fw={600} mb={4}>
              {conflict ? "Who knocks" : "Compare with what the device's own console shows"}
            </Text>
            <Facts
              facts={[
                ["Fingerprint", <Fingerprint key="print" value={approval.ssl_key_fingerprint_claimed} />],
                ["Calls from", approval.peer_address],
                ["Into the site", approval.site_name ?? "no site"],
                ["Channel", CHANNELS[approval.channel]],
                ["Reference", <Text key="ref" size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>{approval.approval_reference}</Text>],
              ]}
            />
          </div>
          {conflict ? (
            <div>
              <Text size="sm" fw={600} mb={4}>
                Who is known
              </Text>
              <Facts
                facts={[
                  ["Fingerprint", conflict.ssl_key_fingerprint ? <Fingerprint key="print" value={conflict.ssl_key_fingerprint} /> : "hidden: it is in a site that you may not see"],
                  [
                    "Name",
                    conflict.guid && conflict.hostname ? (
                      <TextLink key="name" to="/devices/$guid" params={{ guid: conflict.guid }} size="sm">
                        {conflict.hostname}
                      </TextLink>
                    ) : (
                      conflict.hostname
                    ),
                  ],
                  ["State", conflict.status],
                  ["Site", conflict.site_name],
                  ["Same key", conflict.fingerprint_match ? "yes" : "no"],
                ]}
              />
            </div>
          ) : null}
        </SimpleGrid>
        {conflict ? (
          <Alert color={mustChoose ? "yellow" : "gray"} variant="light" icon={<IconAlertTriangle aria-hidden />} title={KINDS[conflict.kind] ?? "A known device is in the way"}>
            {mustChoose && may ? (
              <Radio.Group
                aria-label="What to do about the known device"
                value={resolution ?? ""}
                onChange={(value) => setResolution(value as Resolution)}
              >
                <Stack gap="xs" mt={4}>
                  <Radio
                    value="merge"
                    label="It is the same machine, installed anew"
                    description="It takes over the known device with its name and history; the old key ends."
                  />
                  <Radio
                    value="coexist"
                    label="It is another machine"
                    description="Both stay; the new one gets a name of its own."
                  />
                </Stack>
              </Radio.Group>
            ) : (
              <Text size="sm">{mustChoose ? "Somebody has to decide what becomes of it." : "It is merged without asking."}</Text>
            )}
          </Alert>
        ) : null}
        {approval.channel === "unbound" && may ? (
          <Alert color="yellow" variant="light" title="It did not show that it talks to this Engine itself">
            <Text size="sm" mb="xs">
              An older agent cannot show it; but neither could a machine in the middle. Approve only if you see the same
              fingerprint on the device&apos;s own console.
            </Text>
            <Checkbox
              label="I compared the fingerprint on the device, and accept that"
              checked={unbound}
              onChange={(event) => setUnbound(event.currentTarget.checked)}
            />
          </Alert>
        ) : null}
        <ErrorNote error={approve.error ?? deny.error} what="It still waits" />
        {may ? (
          <Group gap="xs">
            <Button disabled={!ready} loading={approve.isPending} onClick={() => approve.mutate()}>
              Approve
            </Button>
            <Button variant="default" loading={deny.isPending} onClick={() => deny.mutate()}>
              Deny
            </Button>
            {!ready ? (
              <Text size="xs" c="dimmed">
                {mustChoose && resolution === null ? "Choose what it is first." : "Compare the fingerprint first."}
              </Text>
            ) : null}
          </Group>
        ) : null}
      </Stack>
    </Paper>
  );
}
