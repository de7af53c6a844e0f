import { describe, expect, it } from "vitest";
import { sample } from "@/features/devices/samples.test-data";
import { targetsOf } from "./targets";

describe("targets", () => {
  const devices = [
    sample({ guid: "B", hostname: "pc10", site_id: 1, status: "active" }),
    sample({ guid: "A", hostname: "pc2", site_id: null, status: "active" }),
    sample({ guid: "C", hostname: "pc3", site_id: 1, status: "quarantined" }),
  ];
  const names = (found: readonly { hostname: string }[]) => found.map((one) => one.hostname);

  it("add up, each once, by name, without those that get no work", () => {
    const found = targetsOf(devices, { guids: ["a", "b", "z"], sites: ["1"], all: false });
    expect(names(found.devices)).toEqual(["pc2", "pc10"]);
    expect(names(found.barred)).toEqual(["pc3"]);
    expect(found.unknown).toEqual(["Z"]);
  });

  it("are none where nothing is chosen, and everything where all is", () => {
    expect(targetsOf(devices, { guids: [], sites: [], all: false }).devices).toEqual([]);
    expect(names(targetsOf(devices, { guids: [], sites: [], all: true }).devices)).toEqual(["pc2", "pc10"]);
    expect(names(targetsOf(devices, { guids: [], sites: ["none"], all: false }).devices)).toEqual(["pc2"]);
  });
});
