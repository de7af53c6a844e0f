import { Stack } from "@mantine/core";
import { useMe } from "@/app/session";
import { Facts } from "@/ui/Facts";
import { Page, Section } from "@/ui/Page";
import { PasskeysSection } from "./PasskeysSection";
import { PasswordSection } from "./PasswordSection";
import { SecondFactorSection } from "./SecondFactorSection";
import { SessionsSection } from "./SessionsSection";
import { TokensSection } from "./TokensSection";

/** One's own account. */
export function AccountPage() {
  const me = useMe();
  if (!me) return null;
  return (
    <Page narrow title="Your account">
      <Stack gap={40}>
        <Section title="You">
          <Facts
            facts={[
              ["User name", me.username],
              ["Name", me.display_name],
              ["Role", me.role],
              ["Sites", me.sites === null ? "all sites" : `${me.sites.length} of them`],
            ]}
          />
        </Section>
        <PasswordSection />
        <PasskeysSection />
        <SecondFactorSection enabled={me.mfa_enabled} username={me.username} />
        <SessionsSection />
        <TokensSection permissions={me.permissions} />
      </Stack>
    </Page>
  );
}
