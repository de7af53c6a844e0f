import {
  ActionIcon,
  AppShell,
  Box,
  Burger,
  Button,
  Group,
  Kbd,
  Menu,
  NavLink,
  SegmentedControl,
  Text,
  Tooltip,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { spotlight } from "@mantine/spotlight";
import { IconKeyboard, IconLock, IconLogout, IconSearch, IconUser, IconUserCircle } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Fragment, useEffect, useRef } from "react";
import { api, rememberCsrf, take } from "@/api/client";
import { DeviceFeed } from "@/features/devices/DeviceFeed";
import { EnrolFeed } from "@/features/enrol/EnrolFeed";
import { useWaitingCount } from "@/features/enrol/queries";
import { RunFeed } from "@/features/run/RunFeed";
import { live } from "@/live/socket";
import { EmptyState } from "@/ui/EmptyState";
import { Page } from "@/ui/Page";
import { useDensity } from "@/ui/preferences";
import { AwayBanner } from "./AwayBanner";
import { CommandPalette } from "./CommandPalette";
import { FocusKeeper } from "./FocusKeeper";
import { HelpDialog } from "./HelpDialog";
import { barredPlace, placesFor, type Place } from "./navigation";
import { RightsFeed } from "./RightsFeed";
import { useMe } from "./session";
import classes from "./Shell.module.css";

const SIGNED_OUT = "signed-out";

/** The frame around every page of a signed-in operator. */
export function Shell() {
  const me = useMe();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [menu, { toggle, close }] = useDisclosure(false);
  const [help, { open: openHelp, close: closeHelp }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const leaving = useRef(false);

  useEffect(() => {
    notifications.hide(SIGNED_OUT);
    live.start();
    return () => live.stop();
  }, []);

  // Signed out elsewhere, or barred: go to the sign-in, and come back here after it.
  useEffect(() => {
    if (me === null && !leaving.current) {
      const here = window.location.pathname + window.location.search;
      notifications.clean();
      notifications.show({
        id: SIGNED_OUT,
        title: "You are signed out",
        message: "Your session has ended: it was too old, was ended elsewhere, or an Admin changed your account.",
        color: "yellow",
        autoClose: false,
      });
      void navigate({ to: "/sign-in", search: here === "/" ? {} : { back: here }, replace: true });
    }
  }, [me, navigate]);

  const signOut = async () => {
    leaving.current = true;
    try {
      await take(api.POST("/api/auth/logout"));
    } finally {
      rememberCsrf("");
      live.stop();
      client.clear();
      client.setQueryData(["me"], null);
      await navigate({ to: "/sign-in" });
    }
  };

  if (!me) return null;
  const places = placesFor(me.permissions);
  const barred = barredPlace(path, me.permissions);
  const groups = [...new Set(places.map((place) => place.group))];

  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !menu } }}
      padding={0}
      transitionDuration={120}
    >
      <a className={classes.skip} href="#content" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to the content
      </a>
      <AppShell.Header>
        <Group h="100%" px={16} justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={menu}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={menu ? "Close the navigation" : "Open the navigation"}
              aria-expanded={menu}
            />
            <Link to="/" className={classes.brand} onClick={close}>
              <img src="/borealis.svg" alt="" width={26} height={26} />
              <span>Borealis</span>
            </Link>
          </Group>
          <Group gap={6} wrap="nowrap">
            <Button
              variant="default"
              size="xs"
              visibleFrom="sm"
              leftSection={<IconSearch size={15} aria-hidden />}
              rightSection={
                <Kbd size="xs" aria-hidden>
                  Ctrl K
                </Kbd>
              }
              onClick={() => spotlight.open()}
            >
              Find or do
            </Button>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              hiddenFrom="sm"
              aria-label="Find or do"
              onClick={() => spotlight.open()}
            >
              <IconSearch size={19} aria-hidden />
            </ActionIcon>
            <Tooltip label="Keyboard (?)">
              <ActionIcon variant="subtle" color="gray" size="lg" visibleFrom="sm" aria-label="Keyboard" onClick={openHelp}>
                <IconKeyboard size={19} aria-hidden />
              </ActionIcon>
            </Tooltip>
            <AccountMenu name={me.display_name || me.username} role={me.role} onSignOut={() => void signOut()} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p={8} aria-label="Main" component="nav">
        {groups.map((group) => (
          <Fragment key={group}>
            <Text size="xs" c="dimmed" fw={600} px={10} pt={12} pb={4}>
              {group}
            </Text>
            {places
              .filter((place) => place.group === group)
              .map((place) => {
                const here = place.to === "/" ? path === "/" : path === place.to || path.startsWith(`${place.to}/`);
                return (
                  <NavLink
                    key={place.to}
                    component={Link}
                    to={place.to}
                    label={place.label}
                    active={here}
                    aria-current={here ? "page" : undefined}
                    leftSection={<place.icon size={18} stroke={1.7} aria-hidden />}
                    rightSection={place.to === "/enrol" ? <Waiting /> : null}
                    className={classes.link ?? ""}
                    onClick={close}
                  />
                );
              })}
          </Fragment>
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content" ref={main} tabIndex={-1} className={classes.outer ?? ""}>
        <AwayBanner />
        <Box className={classes.main ?? ""}>
          {barred ? <Barred place={barred} role={me.role} /> : <Outlet />}
        </Box>
      </AppShell.Main>
      <DeviceFeed />
      <RunFeed />
      <EnrolFeed />
      <RightsFeed me={me} />
      <FocusKeeper />
      <CommandPalette onHelp={openHelp} onSignOut={() => void signOut()} />
      <HelpDialog opened={help} onOpen={openHelp} onClose={closeHelp} />
    </AppShell>
  );
}

/** An address that exists, and is not for this operator. */
function Barred({ place, role }: { place: Place; role: string }) {
  return (
    <Page title={place.label}>
      <EmptyState title="This is not for you" icon={IconLock}>
        As {role} you do not have the permission <code>{place.needs}</code> here. Ask an Admin if you need it.
      </EmptyState>
    </Page>
  );
}

/** How many devices wait for approval. */
function Waiting() {
  const waiting = useWaitingCount();
  if (!waiting) return null;
  return (
    <span className={classes.count} aria-label={`${waiting} waiting`}>
      {waiting}
    </span>
  );
}

function AccountMenu({ name, role, onSignOut }: { name: string; role: string; onSignOut: () => void }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [density, setDensity] = useDensity();
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Account of ${name}`}>
          <IconUserCircle size={21} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Box px={12} py={6}>
          <Text size="sm" fw={600} truncate>
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {role}
          </Text>
        </Box>
        <Menu.Divider />
        <Menu.Item component={Link} to="/account" leftSection={<IconUser size={16} aria-hidden />}>
          Your account
        </Menu.Item>
        <Menu.Label>Colours</Menu.Label>
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label="Colours"
          value={colorScheme}
          onChange={(value) => setColorScheme(value)}
          data={[
            { value: "auto", label: "System" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
        />
        <Menu.Label>Density</Menu.Label>
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label="Density"
          value={density}
          onChange={(value) => setDensity(value)}
          data={[
            { value: "comfortable", label: "Comfortable" },
            { value: "compact", label: "Compact" },
          ]}
        />
        <Menu.Divider mt={8} />
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={onSignOut}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
