import { Button, SimpleGrid, Stack } from "@mantine/core";
import { IconPlugConnected } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMay } from "@/app/session";
import { countStates, filterDevices } from "@/features/devices/filter";
import { useDevices } from "@/features/devices/queries";
import { deviceState, isOutdated, lastSeen } from "@/features/devices/state";
import { useWaitingCount } from "@/features/enrol/queries";
import { RunList } from "@/features/run/RunList";
import { useNow } from "@/ui/clock";
import { devicesOf } from "@/ui/count";
import { TextLink } from "@/ui/links";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page, Section } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { Figure } from "./Figure";
import { allOf, failedOf } from "./plots";
import { useAgentBuild, useToday } from "./queries";
import { Trends } from "./Trends";

const SHOWN = 8;

/** The fleet at a glance; every number leads to what it counts. */
export function OverviewPage() {
  const asked = useDevices();
  const waiting = useWaitingCount();
  const mayRuns = useMay("runs.read");
  const mayEnrol = useMay("enrolment.decide");
  const today = useToday();
  const build = useAgentBuild();
  const now = useNow();

  if (!asked.data) {
    return (
      <Page title="Overview">
        <ErrorNote error={asked.error} what="The devices could not be read" onRetry={() => void asked.refetch()} />
        {asked.isPending ? <Loading /> : null}
      </Page>
    );
  }
  const devices = asked.data;
  const counts = countStates(devices);
  const quiet = filterDevices(devices, { older: "7d", state: "offline" }, now).toSorted((a, b) => lastSeen(a) - lastSeen(b));
  const failed = today && failedOf(today);
  const ran = today && allOf(today);
  const outdated = devices.filter((device) => isOutdated(device, build)).length;

  return (
    <Page title="Overview">
      {devices.length === 0 && waiting === 0 ? (
        <EmptyState
          title="No devices yet"
          icon={IconPlugConnected}
          action={
            mayEnrol ? (
              <Button component={Link} to="/enrol" mt="sm">
                Enrol the first device
              </Button>
            ) : null
          }
        >
          Make an enrolment token, run one command on the device, approve it. It takes two minutes.
        </EmptyState>
      ) : (
        <Stack gap={40}>
          <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md">
            <Figure label="Online" of={`of ${devicesOf(devices.length)}${counts.unconnected > 0 ? `, ${counts.unconnected.toLocaleString()} not connected` : ""}`} value={counts.online} to="/devices" search={{ state: "online" }} shape="online" />
            <Figure label="Offline" of="devices" value={counts.offline} to="/devices" search={{ state: "offline" }} shape="offline" />
            <Figure label="Waiting" of="devices, for approval" value={waiting} to="/enrol" search={{}} shape="waiting" loud={waiting > 0} />
            <Figure label="Quarantined" of="devices" value={counts.quarantined} to="/devices" search={{ state: "quarantined" }} shape="quarantined" loud={counts.quarantined > 0} />
            {mayRuns ? (
              <Figure
                label="Failed today"
                of={ran === null ? "runs since midnight" : `of ${ran.toLocaleString()} ${ran === 1 ? "run" : "runs"} since midnight`}
                value={failed}
                to="/activity"
                search={{ status: "failed", since: "today" }}
                shape="Failed"
                loud={failed !== null && failed > 0}
              />
            ) : null}
            <Figure
              label="Agents out of date"
              of={build ? `others than ${build.slice(0, 8)}` : "no agent tells its build"}
              value={outdated}
              to="/devices"
              search={{ agent: "outdated" }}
              shape="outdated"
              loud={outdated > 0}
            />
          </SimpleGrid>
          <Trends />
          {mayRuns ? (
            <Section title="Latest runs">
              <RunList limit={10} />
            </Section>
          ) : null}
          <Section
            title="Not seen for a week"
            actions={
              quiet.length > SHOWN ? (
                <TextLink to="/devices" search={{ older: "7d", state: "offline", sort: "last_seen" }} size="sm">
                  All {quiet.length.toLocaleString()}
                </TextLink>
              ) : null
            }
          >
            {quiet.length === 0 ? (
              <EmptyState title="Every device was here within a week" />
            ) : (
              <SimpleTable
                label="Devices not seen for a week"
                head={["Device", "State", "Last seen", "Last user", "Site"]}
                rows={quiet.slice(0, SHOWN).map((device) => ({
                  key: device.guid,
                  cells: [
                    <TextLink key="name" to="/devices/$guid" params={{ guid: device.guid }} size="sm">
                      {device.hostname}
                    </TextLink>,
                    <StatusMark key="state" status={deviceState(device)} />,
                    <TimeAgo key="seen" at={lastSeen(device)} />,
                    device.last_user,
                    device.site_name ?? "",
                  ],
                }))}
              />
            )}
          </Section>
        </Stack>
      )}
    </Page>
  );
}
