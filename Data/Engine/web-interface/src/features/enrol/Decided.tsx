import { TextLink } from "@/ui/links";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { useApprovals } from "./queries";

const SHOWN = 20;

/** The latest decisions, and whether the device came in since. */
export function Decided() {
  const asked = useApprovals("all");
  const decided = (asked.data ?? [])
    .filter((approval) => approval.status !== "pending")
    .toSorted((left, right) => right.updated_at - left.updated_at)
    .slice(0, SHOWN);
  if (decided.length === 0) return null;
  return (
    <Section title="Decided lately">
      <SimpleTable
        label="Decisions"
        head={["Device", "Outcome", "By", "When", "Called from"]}
        rows={decided.map((approval) => ({
          key: approval.approval_reference,
          cells: [
            approval.guid && approval.status === "completed" ? (
              <TextLink key="name" to="/devices/$guid" params={{ guid: approval.guid }} size="sm">
                {approval.hostname_claimed}
              </TextLink>
            ) : (
              approval.hostname_claimed
            ),
            approval.status === "completed" ? "came in" : approval.status === "approved" ? "approved, not yet in" : approval.status,
            approval.approved_by_username ?? "",
            <TimeAgo key="when" at={approval.updated_at} />,
            approval.peer_address,
          ],
        }))}
      />
    </Section>
  );
}
