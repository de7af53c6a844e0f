import { SimpleGrid, Stack } from "@mantine/core";
import { useMemo, useState } from "react";
import { useMay } from "@/app/session";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page, Section } from "@/ui/Page";
import { ApprovalCard } from "./ApprovalCard";
import { CodesTable } from "./CodesTable";
import { Decided } from "./Decided";
import { MakeToken } from "./MakeToken";
import { TokenCommands } from "./TokenCommands";
import { useApprovals, type NewCode } from "./queries";
import { useNextFocus } from "./useNextFocus";

/** How devices come in: a token is handed out, a device knocks, a person compares and decides. */
export function EnrolPage() {
  const waiting = useApprovals();
  const may = useMay("enrolment.decide");
  const [made, setMade] = useState<NewCode | null>(null);
  const count = waiting.data?.length ?? 0;
  const list = useNextFocus(useMemo(() => waiting.data?.map((approval) => approval.approval_reference) ?? [], [waiting.data]));
  return (
    <Page
      title="Enrol"
      windowTitle={count > 0 ? `Enrol (${count} waiting)` : "Enrol"}
      about="A device comes in with a token, and waits until you have compared its fingerprint."
    >
      <Stack gap={40}>
        {may ? (
          <Section title="1 · Hand out a token">
            <SimpleGrid cols={{ base: 1, lg: made ? 2 : 1 }} spacing="xl">
              <MakeToken onMade={setMade} />
              {made ? <TokenCommands code={made} /> : null}
            </SimpleGrid>
          </Section>
        ) : null}
        <Section title={may ? "2 · Let devices in" : "Waiting for approval"}>
          <ErrorNote error={waiting.error} what="It is not known who waits" onRetry={() => void waiting.refetch()} />
          {waiting.isPending ? <Loading /> : null}
          {waiting.data && count === 0 ? (
            <EmptyState title="Nobody knocks">
              A device that runs the command appears here by itself, within seconds. Leave this page open.
            </EmptyState>
          ) : null}
          <Stack gap="md" aria-live="polite" ref={list}>
            {waiting.data?.map((approval) => <ApprovalCard key={approval.approval_reference} approval={approval} may={may} />)}
          </Stack>
        </Section>
        <CodesTable may={may} />
        <Decided />
      </Stack>
    </Page>
  );
}
