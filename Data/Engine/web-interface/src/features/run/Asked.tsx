import { Code, Stack, Text } from "@mantine/core";
import { useMay } from "@/app/session";
import { CodeView } from "@/features/scripts/code/lazy";
import { valueText } from "@/features/scripts/parts";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { Loading } from "@/ui/Loading";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { bytes, duration } from "@/ui/time";
import { optionsInWords } from "./playbook";
import { useJobContent, type Job } from "./queries";

/** What a job was: its script, and what that got. */
export function Asked({ job, user }: { job: Job; user: string }) {
  const may = useMay("runs.start");
  const asked = useJobContent(job.job_id);
  const content = asked.data;
  return (
    <Stack gap="lg">
      <Facts
        facts={[
          ["Script", job.script_name],
          ["Type", job.script_type],
          ["Runs as", job.context === "system" ? "system" : user || "any signed-in user"],
          ["Started by", job.created_by],
          ["When", <TimeAgo key="when" at={job.created_at} />],
          ["Ended after", job.timeout_seconds ? duration(job.timeout_seconds) : "no limit"],
          ["To be fetched until", <TimeAgo key="until" at={job.expires_at} />],
          ["SHA-256 of the script", <Code key="sha" style={{ overflowWrap: "anywhere" }}>{job.script_sha256}</Code>],
        ]}
      />
      {may ? null : (
        <Text size="sm" c="dimmed">
          The script itself is shown to operators who may run scripts.
        </Text>
      )}
      <ErrorNote error={asked.error} what="The script could not be read" onRetry={() => void asked.refetch()} />
      {may && asked.isPending ? <Loading /> : null}
      {content ? (
        <>
          {content.playbook ? (
            <Section title="How the playbook runs">
              <Text size="sm">{optionsInWords(content.playbook)}</Text>
            </Section>
          ) : null}
          <Section title="Script">
            <CodeView value={content.script} type={job.script_type} label="The script that was run" />
          </Section>
          {content.variables.length > 0 ? (
            <Section title="Variables">
              <SimpleTable
                label="Variables"
                head={["Name", "Type", "Value"]}
                rows={content.variables.map((variable: Record<string, unknown>) => ({
                  key: String(variable["name"]),
                  cells: [String(variable["name"]), String(variable["type"]), valueText(variable["value"])],
                }))}
              />
            </Section>
          ) : null}
          {Object.keys(content.environment).length > 0 ? (
            <Section title="Environment">
              <SimpleTable
                label="Environment"
                head={["Name", "Value"]}
                rows={Object.entries(content.environment).map(([name, value]) => ({ key: name, cells: [name, value] }))}
              />
            </Section>
          ) : null}
          {content.files.length > 0 ? (
            <Section title="Files">
              <SimpleTable
                label="Files"
                head={["Name", "Size", "SHA-256"]}
                rows={content.files.map((file) => ({
                  key: file.file_name,
                  cells: [file.file_name, bytes(file.size), <Code key="sha">{file.sha256.slice(0, 16)}…</Code>],
                }))}
              />
            </Section>
          ) : null}
        </>
      ) : null}
    </Stack>
  );
}
