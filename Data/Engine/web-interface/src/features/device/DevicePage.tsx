import { Alert, Breadcrumbs, Button, Menu, Tabs, Text } from "@mantine/core";
import { IconAlertTriangle, IconChevronDown, IconPlayerPlay } from "@tabler/icons-react";
import { getRouteApi, Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError } from "@/api/errors";
import { useMay } from "@/app/session";
import { changeDevice, useDevice, useDeviceAct } from "@/features/devices/queries";
import { deviceState, isConnected, lastSeen } from "@/features/devices/state";
import { useOpenRun } from "@/features/run/link";
import { AgentUpdateNote } from "@/features/updates/AgentUpdateNote";
import { TextLink } from "@/ui/links";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { useKey } from "@/ui/keys";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { StatusMark } from "@/ui/StatusMark";
import { TimeAgo } from "@/ui/TimeAgo";
import { DeviceDialogs, type Dialog } from "./DeviceDialogs";
import { TABS } from "./tab-list";

const route = getRouteApi("/shell/devices/$guid");

/** On a narrow window the row of tabs scrolls; the open one is in sight. */
function intoView(tab: HTMLElement | null): void {
  const list = tab?.parentElement;
  if (tab && list) list.scrollLeft = tab.offsetLeft - (list.clientWidth - tab.clientWidth) / 2;
}

/** One device: what it is, how it is, what was done on it, what can be done. */
export function DevicePage() {
  const { guid } = route.useParams();
  const asked = useDevice(guid);
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const mayEdit = useMay("devices.edit");
  const mayRevoke = useMay("devices.revoke");
  const mayRuns = useMay("runs.read");
  const maySeeScreen = useMay("screen.view");
  const mayDesktop = useMay("desktop");
  const mayShell = useMay("shell");
  const mayFiles = useMay("files");
  const mayStart = useMay("runs.start");
  const openRun = useOpenRun();
  const settled = useDeviceAct(guid, "Noted: there is one machine only.");
  useKey("r", () => openRun?.([guid]), openRun !== null);

  const device = asked.data;
  if (!device) {
    if (asked.error instanceof ApiError && asked.error.status === 404) {
      return (
        <Page title="Device">
          <EmptyState
            title="There is no such device"
            action={
              <Button component={Link} to="/devices" variant="default" mt="sm">
                To the list of devices
              </Button>
            }
          >
            It was deleted, or it is in a site that you may not see.
          </EmptyState>
        </Page>
      );
    }
    return (
      <Page title="Device">
        <ErrorNote error={asked.error} what="The device could not be read" onRetry={() => void asked.refetch()} />
        {asked.isPending ? <Loading /> : null}
      </Page>
    );
  }

  const state = deviceState(device);
  const current = path.split("/")[3] || "summary";
  const may: Partial<Record<string, boolean>> = {
    activity: mayRuns,
    screen: maySeeScreen,
    desktop: mayDesktop,
    rdp: mayDesktop,
    shell: mayShell,
    files: mayFiles,
    macro: mayStart && mayRuns,
    logs: mayStart && mayRuns,
  };
  // What only an agent tells or does is not offered where there is none.
  const tabs = TABS.filter((tab) => (may[tab.value] ?? true) && (device.has_agent || ["summary", "activity"].includes(tab.value)));

  return (
    <>
      <Breadcrumbs mb={4} fz="sm" aria-label="Where you are">
        <TextLink to="/devices" size="sm">
          Devices
        </TextLink>
        <Text size="sm" c="dimmed" truncate maw={320}>
          {device.hostname}
        </Text>
      </Breadcrumbs>
      <Page
        title={device.hostname}
        beside={<StatusMark status={state} />}
        about={
          <>
            {!device.has_agent ? `no agent: the Engine reaches it by ${device.connection_type} at ${device.connection_endpoint}` : isConnected(device) ? "here now" : <>{state === "unconnected" ? "lost its connection, last heard of" : "last seen"} <TimeAgo at={lastSeen(device)} /></>}
            {device.site_name ? ` · ${device.site_name}` : " · no site"}
            {device.operating_system ? ` · ${device.operating_system}` : ""}
            {device.description ? <div>{device.description}</div> : null}
          </>
        }
        actions={
          <>
            {openRun ? (
              <Button leftSection={<IconPlayerPlay size={16} aria-hidden />} onClick={() => openRun([device.guid])}>
                {device.has_agent ? "Run a script" : "Run a playbook"}
              </Button>
            ) : null}
            {mayEdit || mayRevoke ? (
              <Menu position="bottom-end" width={220}>
                <Menu.Target>
                  <Button variant="default" rightSection={<IconChevronDown size={16} aria-hidden />}>
                    Change
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  {mayEdit ? (
                    <>
                      <Menu.Item onClick={() => setDialog("rename")}>Rename…</Menu.Item>
                      <Menu.Item onClick={() => setDialog("describe")}>Describe…</Menu.Item>
                      <Menu.Item onClick={() => setDialog("move")}>Move to a site…</Menu.Item>
                    </>
                  ) : null}
                  {mayRevoke ? (
                    <>
                      <Menu.Divider />
                      {device.status === "active" ? (
                        <Menu.Item onClick={() => setDialog("quarantine")}>Quarantine…</Menu.Item>
                      ) : null}
                      {device.status === "quarantined" ? (
                        <Menu.Item onClick={() => setDialog("release")}>Release from quarantine…</Menu.Item>
                      ) : null}
                      {device.status !== "revoked" ? (
                        <Menu.Item c="red" onClick={() => setDialog("revoke")}>
                          Revoke…
                        </Menu.Item>
                      ) : null}
                      <Menu.Item c="red" onClick={() => setDialog("delete")}>
                        Delete…
                      </Menu.Item>
                    </>
                  ) : null}
                </Menu.Dropdown>
              </Menu>
            ) : null}
          </>
        }
      >
        {device.duplicate_suspected ? (
          <Alert
            color="yellow"
            variant="light"
            icon={<IconAlertTriangle aria-hidden />}
            title="Another machine seems to have the same identity"
          >
            <Text size="sm">
              {device.duplicate_reason ? `${device.duplicate_reason}. ` : ""}A disk image or a virtual machine was probably
              copied with the agent in it. Enrol the copy anew, or revoke this device and enrol both.
            </Text>
            {mayEdit ? (
              <Button
                size="compact-sm"
                variant="default"
                mt="xs"
                loading={settled.isPending}
                onClick={() => settled.mutate(() => changeDevice(guid, { duplicate_suspected: false }))}
              >
                I looked: there is one machine only
              </Button>
            ) : null}
            <ErrorNote error={settled.error} />
          </Alert>
        ) : null}
        {state === "unconnected" ? (
          <Alert color="yellow" variant="light" role="status">
            The agent has no connection now. It may be restarting; a script that is sent waits until it is back.
          </Alert>
        ) : null}
        {state === "quarantined" ? (
          <Alert color="yellow" variant="light">
            This device is in quarantine: it is known, and gets no work until it is released.
          </Alert>
        ) : null}
        {state === "revoked" ? (
          <Alert color="red" variant="light">
            This device is revoked: it was cut off, and comes back only by a new enrolment that is approved.
          </Alert>
        ) : null}
        <AgentUpdateNote device={device} />
        <Tabs
          value={current}
          keepMounted={false}
          onChange={(value) => {
            const below = value === null || value === "summary" ? "" : `/${value}`;
            void navigate({ to: `/devices/$guid${below}` as "/devices/$guid/hardware", params: { guid } });
          }}
        >
          <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
            {tabs.map((tab) => (
              <Tabs.Tab key={tab.value} value={tab.value} ref={tab.value === current ? intoView : undefined}>
                {tab.label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={current} pt="md">
            <Outlet />
          </Tabs.Panel>
        </Tabs>
      </Page>
      <DeviceDialogs device={device} dialog={dialog} onClose={() => setDialog(null)} />
    </>
  );
}
