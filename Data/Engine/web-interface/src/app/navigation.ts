import {
  IconBuilding,
  IconDevices,
  IconHistory,
  IconHome2,
  IconKey,
  IconPlugConnected,
  IconServer2,
  IconTerminal2,
  IconUsers,
  IconClipboardList,
  IconFileCode,
  type Icon,
} from "@tabler/icons-react";
import type { Permission } from "./session";

export interface Place {
  to: string;
  label: string;
  icon: Icon;
  needs: Permission;
  /** What it is for, in the command palette. */
  about: string;
  group: "Fleet" | "Work" | "Engine";
}

/** Every place of the page, in the order of the navigation. A place is shown to those who may use it. */
export const PLACES: readonly Place[] = [
  { to: "/", label: "Overview", icon: IconHome2, needs: "devices.read", about: "The fleet at a glance", group: "Fleet" },
  { to: "/devices", label: "Devices", icon: IconDevices, needs: "devices.read", about: "All devices", group: "Fleet" },
  {
    to: "/enrol",
    label: "Enrol",
    icon: IconPlugConnected,
    needs: "enrolment.read",
    about: "Let new devices in",
    group: "Fleet",
  },
  { to: "/sites", label: "Sites", icon: IconBuilding, needs: "sites.read", about: "Where devices are", group: "Fleet" },
  {
    to: "/run",
    label: "Run",
    icon: IconTerminal2,
    needs: "runs.start",
    about: "Run a script on devices",
    group: "Work",
  },
  {
    to: "/activity",
    label: "Activity",
    icon: IconHistory,
    needs: "runs.read",
    about: "What was run, by whom, and how it went",
    group: "Work",
  },
  {
    to: "/scripts",
    label: "Scripts",
    icon: IconFileCode,
    needs: "scripts.read",
    about: "The library: scripts with versions",
    group: "Work",
  },
  {
    to: "/credentials",
    label: "Credentials",
    icon: IconKey,
    needs: "credentials.use",
    about: "Machines without an agent, and how the Engine signs in to them",
    group: "Work",
  },
  {
    to: "/audit",
    label: "Audit log",
    icon: IconClipboardList,
    needs: "audit.read",
    about: "Who did what, and when",
    group: "Engine",
  },
  {
    to: "/operators",
    label: "Operators",
    icon: IconUsers,
    needs: "operators.manage",
    about: "Who may sign in, and what they may do",
    group: "Engine",
  },
  {
    to: "/server",
    label: "Server",
    icon: IconServer2,
    needs: "server.read",
    about: "This Engine: facts, logs, keys",
    group: "Engine",
  },
];

/** The place of an address, where the operator may not go there. */
export function barredPlace(path: string, permissions: readonly Permission[]): Place | undefined {
  return PLACES.find(
    (place) =>
      (path === place.to || (place.to !== "/" && path.startsWith(`${place.to}/`))) && !permissions.includes(place.needs),
  );
}

export function placesFor(permissions: readonly Permission[]): Place[] {
  return PLACES.filter((place) => permissions.includes(place.needs));
}
