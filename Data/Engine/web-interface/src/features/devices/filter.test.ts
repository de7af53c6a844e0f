import { describe, expect, it } from "vitest";
import { countStates, deviceSearch, filterDevices, sortOf, sortText } from "./filter";
import { findDevices } from "./find";
import { sample } from "./samples.test-data";
import { deviceState, isConnected } from "./state";

const online = { online: true, contexts: ["system"], last_seen: 990, since: {}, users: [] };
const fleet = [
  sample({ guid: "1", hostname: "Web-1", presence: online, site_id: 3, site_name: "Bremen", last_user: "ada" }),
  sample({ guid: "2", hostname: "web-2", last_seen: 100, operating_system: "Debian 12" }),
  sample({ guid: "3", hostname: "<b>db</b>", status: "quarantined", presence: online }),
  sample({ guid: "4", hostname: "old", last_seen: 0, status: "revoked", description: "the web's first" }),
];
const names = (search: Record<string, unknown>, now = 1000) =>
  filterDevices(fleet, deviceSearch(search), now).map((device) => device.guid);

describe("the list of devices", () => {
  it("is narrowed by words, wherever they are", () => {
    expect(names({ q: "WEB" })).toEqual(["1", "2", "4"]);
    expect(names({ q: "web ada" })).toEqual(["1"]);
    expect(names({ q: "<b>" })).toEqual(["3"]);
  });
  it("is narrowed by state, site and system", () => {
    expect(names({ state: "online" })).toEqual(["1"]);
    expect(names({ state: "offline,revoked" })).toEqual(["2", "4"]);
    expect(names({ site: 3 })).toEqual(["1"]);
    expect(names({ site: "none,3" })).toEqual(["1", "2", "3", "4"]);
    expect(names({ os: "Debian 12" })).toEqual(["2"]);
  });
  it("finds what was not seen for long, and never what is online", () => {
    expect(names({ older: "15m" }, 1000)).toEqual(["2", "4"]);
    expect(names({ older: "15m" }, 999)).toEqual(["4"]);
  });
  it("ignores what it does not know in an address", () => {
    expect(deviceSearch({ q: "", evil: "x", state: ["a"] })).toEqual({});
    expect(deviceSearch({ filter: "7", view: -1 })).toEqual({ filter: 7 });
    expect(deviceSearch({ filter: "seven", view: 1.5 })).toEqual({});
    expect(names({ older: "soon" })).toHaveLength(4);
  });
});

describe("a device without a connection", () => {
  const gone = { ...online, contexts: [] };
  const two = [sample({ guid: "1", presence: online }), sample({ guid: "2", presence: gone })];
  it("is told from one that is online, although the Engine calls both so", () => {
    expect(two.map(deviceState)).toEqual(["online", "unconnected"]);
    expect(two.map(isConnected)).toEqual([true, false]);
    expect(filterDevices(two, { state: "unconnected" }, 1000).map((device) => device.guid)).toEqual(["2"]);
    expect(filterDevices(two, { state: "online" }, 1000).map((device) => device.guid)).toEqual(["1"]);
    expect(deviceState(sample({ status: "revoked", presence: gone }))).toBe("revoked");
    expect(deviceState(sample({ has_agent: false, presence: gone }))).toBe("agentless");
  });
});

describe("agents that are out of date", () => {
  const found = (build: string) =>
    filterDevices(
      [
        sample({ guid: "1", agent_build_id: "new" }),
        sample({ guid: "2", agent_build_id: "old" }),
        sample({ guid: "3", agent_build_id: "old", status: "revoked" }),
        sample({ guid: "4" }),
      ],
      { agent: "outdated" },
      0,
      build,
    ).map((device) => device.guid);
  it("are those of another build, as far as they said and may connect", () => {
    expect(found("new")).toEqual(["2"]);
    expect(found("")).toEqual([]);
  });
});

describe("parts", () => {
  it("writes the order into the address and reads it back", () => {
    expect(sortText({ id: "hostname", desc: false })).toBeUndefined();
    expect(sortOf({ sort: sortText({ id: "last_seen", desc: true }) ?? "" })).toEqual({ id: "last_seen", desc: true });
  });
  it("counts states", () => {
    expect(countStates(fleet)).toEqual({ online: 1, unconnected: 0, offline: 1, agentless: 0, quarantined: 1, revoked: 1 });
  });
  it("finds names that begin with the word first", () => {
    expect(findDevices(fleet, "web", 2).map((device) => device.guid)).toEqual(["1", "2"]);
    expect(findDevices(fleet, "  ", 2)).toEqual([]);
  });
});
