import {
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Loading } from "@/ui/Loading";
import { auditSearch } from "@/features/audit/search";
import { activitySearch } from "@/features/activity/search";
import { deviceSearch } from "@/features/devices/filter";
import { overviewSearch } from "@/features/overview/search";
import { composeSearch, jobSearch } from "@/features/run/search";
import { scriptSearch, scriptsSearch } from "@/features/scripts/find";
import { devicesQuery } from "@/features/devices/queries";
import { lazyPage } from "./lazy";
import { NotFound, RouteError } from "./RouteError";
import { filesSearch } from "@/features/files/paths";
import { Shell } from "./Shell";
import { queryClient } from "./queries";
import { meQuery } from "./session";

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Only addresses of this page: what follows a sign-in must not lead elsewhere. */
function ownAddress(value: unknown): string {
  const address = text(value);
  return address.startsWith("/") && !address.startsWith("//") && !address.includes("\\") ? address : "";
}

const root = createRootRoute({
  component: Outlet,
  errorComponent: RouteError,
  notFoundComponent: NotFound,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { back?: string } => {
    const back = ownAddress(search["back"]);
    return back ? { back } : {};
  },
  component: lazyPage(() => import("@/features/way-in/SignInPage"), "SignInPage"),
});

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyPage(() => import("@/features/way-in/SetupPage"), "SetupPage"),
});

/** Everything behind the sign-in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  component: Shell,
  beforeLoad: async ({ location }) => {
    const me = await queryClient.query({ ...meQuery, staleTime: "static" });
    if (me === null) {
      const back = location.href === "/" ? {} : { back: location.href };
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router is told
      throw redirect({ to: "/sign-in", search: back });
    }
  },
});

/** Asks while the page's code is still on its way. */
function askForDevices(): void {
  queryClient.query(devicesQuery).catch(() => undefined); // the page itself shows what went wrong
}

const overview = createRoute({
  getParentRoute: () => shell,
  path: "/",
  validateSearch: overviewSearch,
  loader: askForDevices,
  component: lazyPage(() => import("@/features/overview/OverviewPage"), "OverviewPage"),
});

const devices = createRoute({
  getParentRoute: () => shell,
  path: "/devices",
  validateSearch: deviceSearch,
  loader: askForDevices,
  component: lazyPage(() => import("@/features/devices/DevicesPage"), "DevicesPage"),
});

const device = createRoute({
  getParentRoute: () => shell,
  path: "/devices/$guid",
  component: lazyPage(() => import("@/features/device/DevicePage"), "DevicePage"),
});

const tabs = () => import("@/features/device/tabs");
const deviceTabs = [
  createRoute({ getParentRoute: () => device, path: "/", component: lazyPage(tabs, "SummaryTab") }),
  createRoute({ getParentRoute: () => device, path: "hardware", component: lazyPage(tabs, "HardwareTab") }),
  createRoute({ getParentRoute: () => device, path: "storage", component: lazyPage(tabs, "StorageTab") }),
  createRoute({ getParentRoute: () => device, path: "network", component: lazyPage(tabs, "NetworkTab") }),
  createRoute({ getParentRoute: () => device, path: "software", component: lazyPage(tabs, "SoftwareTab") }),
  createRoute({ getParentRoute: () => device, path: "users", component: lazyPage(tabs, "UsersTab") }),
  createRoute({ getParentRoute: () => device, path: "activity", component: lazyPage(tabs, "ActivityTab") }),
  createRoute({
    getParentRoute: () => device,
    path: "screen",
    component: lazyPage(() => import("@/features/screen/ScreenTab"), "ScreenTab"),
  }),
  createRoute({
    getParentRoute: () => device,
    path: "desktop",
    component: lazyPage(() => import("@/features/desktop/DesktopTab"), "DesktopTab"),
  }),
  createRoute({ getParentRoute: () => device, path: "rdp", component: lazyPage(() => import("@/features/rdp/RdpTab"), "RdpTab") }),
  createRoute({
    getParentRoute: () => device,
    path: "shell",
    component: lazyPage(() => import("@/features/shell/ShellTab"), "ShellTab"),
  }),
  createRoute({
    getParentRoute: () => device,
    path: "files",
    validateSearch: filesSearch,
    component: lazyPage(() => import("@/features/files/FilesTab"), "FilesTab"),
  }),
  createRoute({ getParentRoute: () => device, path: "macro", component: lazyPage(() => import("@/features/macro/MacroTab"), "MacroTab") }),
  createRoute({ getParentRoute: () => device, path: "roles", component: lazyPage(tabs, "RolesTab") }),
  createRoute({ getParentRoute: () => device, path: "logs", component: lazyPage(tabs, "LogsTab") }),
];

const enrol = createRoute({
  getParentRoute: () => shell,
  path: "/enrol",
  component: lazyPage(() => import("@/features/enrol/EnrolPage"), "EnrolPage"),
});

const sites = createRoute({
  getParentRoute: () => shell,
  path: "/sites",
  component: lazyPage(() => import("@/features/sites/SitesPage"), "SitesPage"),
});

const run = createRoute({
  getParentRoute: () => shell,
  path: "/run",
  validateSearch: composeSearch,
  component: lazyPage(() => import("@/features/run/RunPage"), "RunPage"),
});

const job = createRoute({
  getParentRoute: () => shell,
  path: "/jobs/$jobId",
  validateSearch: jobSearch,
  component: lazyPage(() => import("@/features/run/JobPage"), "JobPage"),
});

const oneRun = createRoute({
  getParentRoute: () => shell,
  path: "/runs/$runId",
  component: lazyPage(() => import("@/features/run/OneRunPage"), "OneRunPage"),
});

const activity = createRoute({
  getParentRoute: () => shell,
  path: "/activity",
  validateSearch: activitySearch,
  component: lazyPage(() => import("@/features/activity/ActivityPage"), "ActivityPage"),
});

const recording = createRoute({
  getParentRoute: () => shell,
  path: "/recordings/$id",
  component: lazyPage(() => import("@/features/shell/RecordingPage"), "RecordingPage"),
});

const scripts = createRoute({
  getParentRoute: () => shell,
  path: "/scripts",
  validateSearch: scriptsSearch,
  component: lazyPage(() => import("@/features/scripts/ScriptsPage"), "ScriptsPage"),
});

const script = createRoute({
  getParentRoute: () => shell,
  path: "/scripts/$guid",
  validateSearch: scriptSearch,
  component: lazyPage(() => import("@/features/scripts/ScriptPage"), "ScriptPage"),
});

const credentials = createRoute({
  getParentRoute: () => shell,
  path: "/credentials",
  component: lazyPage(() => import("@/features/credentials/CredentialsPage"), "CredentialsPage"),
});

const operators = createRoute({
  getParentRoute: () => shell,
  path: "/operators",
  component: lazyPage(() => import("@/features/operators/OperatorsPage"), "OperatorsPage"),
});

const audit = createRoute({
  getParentRoute: () => shell,
  path: "/audit",
  validateSearch: auditSearch,
  component: lazyPage(() => import("@/features/audit/AuditPage"), "AuditPage"),
});

const server = createRoute({
  getParentRoute: () => shell,
  path: "/server",
  validateSearch: (search: Record<string, unknown>): { log?: string } => {
    const log = text(search["log"]);
    return log ? { log } : {};
  },
  component: lazyPage(() => import("@/features/server/ServerPage"), "ServerPage"),
});

const account = createRoute({
  getParentRoute: () => shell,
  path: "/account",
  component: lazyPage(() => import("@/features/account/AccountPage"), "AccountPage"),
});

const elsewhere = createRoute({ getParentRoute: () => shell, path: "$", component: NotFound });

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    setup,
    shell.addChildren([
      overview,
      devices,
      device.addChildren(deviceTabs),
      enrol,
      sites,
      run,
      job,
      oneRun,
      activity,
      recording,
      scripts,
      script,
      credentials,
      operators,
      audit,
      server,
      account,
      elsewhere,
    ]),
  ]),
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultPendingMs: 300,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
