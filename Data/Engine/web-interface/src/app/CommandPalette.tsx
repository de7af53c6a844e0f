import { useMantineColorScheme } from "@mantine/core";
import { Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { IconDeviceDesktop, IconFileCode, IconKeyboard, IconLogout, IconMoon, IconSearch, IconSun, IconUser } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { findDevices } from "@/features/devices/find";
import { useDevices } from "@/features/devices/queries";
import { filterScripts } from "@/features/scripts/find";
import { useScripts } from "@/features/scripts/queries";
import { stateWord } from "@/features/devices/state";
import { placesFor } from "./navigation";
import { useMay, useMe } from "./session";

/** `Ctrl-K`: devices, pages and actions, by a few letters. */
export function CommandPalette({ onHelp, onSignOut }: { onHelp: () => void; onSignOut: () => void }) {
  const [query, setQuery] = useState("");
  const [opened, setOpened] = useState(false);
  const me = useMe();
  const navigate = useNavigate();
  const mayDevices = useMay("devices.read");
  const devices = useDevices(opened && mayDevices);
  const scripts = useScripts(false, opened);
  const { setColorScheme } = useMantineColorScheme();

  const matches = (label: string, about = "") => `${label} ${about}`.toLowerCase().includes(query.trim().toLowerCase());
  /** What is called like that comes before what is only about it. */
  const byName = <One extends { label: string }>(found: readonly One[]) =>
    found.toSorted((a, b) => Number(matches(b.label)) - Number(matches(a.label)));
  const pages = byName(placesFor(me?.permissions ?? []).filter((place) => matches(place.label, place.about)));
  const actions = [
    { id: "account", label: "Your account", about: "Password, second factor, tokens", icon: IconUser, act: () => void navigate({ to: "/account" }) },
    { id: "light", label: "Light colours", about: "Theme", icon: IconSun, act: () => setColorScheme("light") },
    { id: "dark", label: "Dark colours", about: "Theme", icon: IconMoon, act: () => setColorScheme("dark") },
    { id: "help", label: "Keyboard", about: "What the keys do", icon: IconKeyboard, act: onHelp },
    { id: "sign-out", label: "Sign out", about: "", icon: IconLogout, act: onSignOut },
  ].filter((action) => matches(action.label, action.about));

  const groups: SpotlightActionGroupData[] = [
    {
      group: "Devices",
      actions: (query.trim() ? findDevices(devices.data ?? [], query, 8) : []).map((device) => ({
        id: device.guid,
        label: device.hostname,
        description: [stateWord(device), device.site_name, device.operating_system].filter(Boolean).join(" · "),
        leftSection: <IconDeviceDesktop size={20} stroke={1.5} aria-hidden />,
        onClick: () => void navigate({ to: "/devices/$guid", params: { guid: device.guid } }),
      })),
    },
    {
      group: "Scripts",
      actions: (query.trim() ? filterScripts(scripts.data ?? [], { q: query }).slice(0, 6) : []).map((script) => ({
        id: script.assembly_guid,
        label: script.display_name,
        description: [script.assembly_type || script.assembly_kind, script.category, script.summary].filter(Boolean).join(" · "),
        leftSection: <IconFileCode size={20} stroke={1.5} aria-hidden />,
        onClick: () => void navigate({ to: "/scripts/$guid", params: { guid: script.assembly_guid } }),
      })),
    },
    {
      group: "Pages",
      actions: pages.map((place) => ({
        id: place.to,
        label: place.label,
        description: place.about,
        leftSection: <place.icon size={20} stroke={1.5} aria-hidden />,
        onClick: () => void navigate({ to: place.to }),
      })),
    },
    {
      group: "Actions",
      actions: byName(actions).map((action) => ({
        id: action.id,
        label: action.label,
        description: action.about,
        leftSection: <action.icon size={20} stroke={1.5} aria-hidden />,
        onClick: action.act,
      })),
    },
  ];

  return (
    <Spotlight
      actions={groups.filter((group) => group.actions.length > 0)}
      filter={(_, all) => all}
      query={query}
      onQueryChange={setQuery}
      onSpotlightOpen={() => setOpened(true)}
      shortcut={["mod + K"]}
      tagsToIgnore={[]}
      scrollable
      attributes={{ content: { "aria-label": "Find or do" } }}
      scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}
      maxHeight={440}
      transitionProps={{ duration: 80 }}
      nothingFound="Nothing found. Names, addresses, users and sites of devices are searched."
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: "A device, a script, a page, an action",
        "aria-label": "Find a device, a script, a page or an action",
      }}
    />
  );
}
