import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import { CopyValue } from "@/ui/CopyValue";
import { ErrorNote } from "@/ui/ErrorNote";
import { Facts } from "@/ui/Facts";
import { Fingerprint } from "@/ui/Fingerprint";
import { Loading } from "@/ui/Loading";
import { Page, Section } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { duration, exactly } from "@/ui/time";
import { useNow } from "@/ui/clock";
import { Logs } from "./Logs";
import { Settings } from "./Settings";
import { SigningKey } from "./SigningKey";

/** This Engine: facts, health, figures, keys, logs. */
export function ServerPage() {
  const info = useQuery({ queryKey: ["server"], queryFn: () => take(api.GET("/api/server/info")), refetchInterval: 15_000 });
  const health = useQuery({
    queryKey: ["health"],
    queryFn: () => take(api.GET("/health")),
    refetchInterval: 15_000,
    retry: false,
  });
  const now = useNow();
  const data = info.data;
  return (
    <Page title="Server">
      <ErrorNote error={info.error} what="The Engine's facts could not be read" onRetry={() => void info.refetch()} />
      {info.isPending ? <Loading /> : null}
      {data ? (
        <Stack gap={40}>
          <Section title="Engine">
            <Facts
              columns={2}
              facts={[
                ["Health", health.data ? "works; the database answers" : health.error ? "the database does not answer" : ""],
                ["Version", data.version],
                ["Up for", duration(Math.max(0, now - data.started_at))],
                ["Started", <TimeAgo key="started" at={data.started_at} />],
                ["Address", <CopyValue key="url" value={data.url} name="address" plain />],
                ["Database", data.database],
                ["Protocol", String(data.protocol_version)],
                ["Its clock", `${exactly(data.time)}${Math.abs(now - data.time) > 30 ? `; differs from yours by ${duration(Math.abs(now - data.time))}` : ""}`],
              ]}
            />
          </Section>
          <Section title="Certificate authority">
            <Facts
              facts={[
                ["Fingerprint", <Fingerprint key="pin" value={data.ca_pin} />],
                ["In one", <CopyValue key="copy" value={data.ca_pin} name="CA fingerprint" />],
              ]}
            />
          </Section>
          <SigningKey keyId={data.signing_key_id} />
          <Settings settings={data.settings} />
          <Section title="Figures">
            <Facts
              columns={2}
              facts={Object.entries(data.figures).flatMap(([room, figures]) =>
                Object.entries(figures).map(
                  ([name, value]) => [`${room}: ${name.replaceAll("_", " ")}`, value.toLocaleString()] as const,
                ),
              )}
            />
          </Section>
          <Logs />
        </Stack>
      ) : null}
    </Page>
  );
}
