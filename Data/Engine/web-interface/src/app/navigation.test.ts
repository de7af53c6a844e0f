import { describe, expect, it } from "vitest";
import { barredPlace, placesFor } from "./navigation";

describe("places", () => {
  it("are shown to those who may use them", () => {
    const shown = placesFor(["devices.read", "sites.read"]).map((place) => place.to);
    expect(shown).toContain("/devices");
    expect(shown).not.toContain("/operators");
  });
  it("are barred to others, with everything below them", () => {
    expect(barredPlace("/operators", ["devices.read"])?.to).toBe("/operators");
    expect(barredPlace("/devices/0F/software", [])?.to).toBe("/devices");
    expect(barredPlace("/devices/0F/software", ["devices.read"])).toBeUndefined();
    expect(barredPlace("/account", [])).toBeUndefined();
  });
});
