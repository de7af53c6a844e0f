import { describe, expect, it } from "vitest";
import { applyChanges, put } from "./changes";
import { sample } from "./samples.test-data";

const presence = { online: true, contexts: ["system"], last_seen: 5, since: { system: 5 }, users: [] };
const fleet = [sample({ guid: "1", hostname: "a", site_id: 1, site_name: "Bremen" }), sample({ guid: "2", hostname: "b" })];

describe("changes", () => {
  it("are made in place, and leave the others the same objects", () => {
    const { devices, ask } = applyChanges(fleet, [{ guid: "2", hostname: "b", change: "online", presence }]);
    expect(devices[0]).toBe(fleet[0]);
    expect(devices[1]?.presence.online).toBe(true);
    expect(ask).toEqual([]);
  });
  it("take away what is gone, and ask for what is new", () => {
    const { devices, ask } = applyChanges(fleet, [
      { guid: "1", hostname: "a", change: "deleted" },
      { guid: "9", hostname: "n", change: "enrolled" },
    ]);
    expect(devices.map((device) => device.guid)).toEqual(["2"]);
    expect(ask).toEqual(["9"]);
  });
  it("keep a device that left one site of ours for another", () => {
    const { devices } = applyChanges(fleet, [
      { guid: "1", hostname: "a", change: "left_site" },
      { guid: "1", hostname: "a", change: "site", site_id: null },
    ]);
    expect(devices.map((device) => [device.guid, device.site_name])).toEqual([["1", null], ["2", null]]);
  });
  it("know the site's name where another device has it, and ask where none has", () => {
    const known = applyChanges(fleet, [{ guid: "2", hostname: "b", change: "site", site_id: 1 }]);
    expect(known.devices[1]?.site_name).toBe("Bremen");
    const unknown = applyChanges(fleet, [{ guid: "2", hostname: "b", change: "site", site_id: 8 }]);
    expect(unknown.ask).toEqual(["2"]);
  });
});

describe("one device", () => {
  it("takes its place by name", () => {
    expect(put(fleet, sample({ guid: "5", hostname: "Ab" })).map((device) => device.guid)).toEqual(["1", "5", "2"]);
    expect(put(fleet, sample({ guid: "1", hostname: "z" })).map((device) => device.guid)).toEqual(["1", "2"]);
  });
});
