import { Code, Text } from "@mantine/core";
import { Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";

const WORDS: Record<string, string> = {
  BOREALIS_ENGINE_ROOT: "Folder of its data, logs and keys",
  BOREALIS_ENGINE_HOST: "Address that it listens on",
  BOREALIS_ENGINE_PORT: "Port",
  BOREALIS_PUBLIC_URL: "Address for people and devices",
  BOREALIS_TRUSTED_PROXIES: "Proxies that it believes",
  BOREALIS_TLS_CERT: "Certificate of your own",
  BOREALIS_TLS_KEY: "Key of that certificate",
  BOREALIS_TLS_BUNDLE: "Authority of that certificate",
  BOREALIS_PROXY_LEAF_SHA256: "Certificate that a proxy shows",
  BOREALIS_JOB_HISTORY_DAYS: "Days that runs are kept",
  BOREALIS_MFA_ISSUER: "Name in authenticator apps",
  BOREALIS_AGENT_BUILD: "Build that agents should have",
};

/** What the Engine was started with. It is changed where the Engine runs, not here. */
export function Settings({ settings }: { settings: Readonly<Record<string, string>> }) {
  return (
    <Section title="Settings">
      <Text size="sm" c="dimmed" mb="xs">
        From the Engine&apos;s environment, as it was at its start. Change them there, and start the Engine again.
      </Text>
      <SimpleTable
        label="Settings"
        head={["Setting", "Value", "Variable"]}
        rows={Object.entries(settings).map(([name, value]) => ({
          key: name,
          cells: [
            WORDS[name] ?? name,
            value || (
              <Text key="none" span size="sm" c="dimmed">
                not set
              </Text>
            ),
            <Code key="name">{name}</Code>,
          ],
        }))}
      />
    </Section>
  );
}
