import { describe, expect, it } from "vitest";
import { patiently } from "./lazy";

describe("the code of a page", () => {
  const now = () => Promise.resolve();
  it("is waited for while the Engine is away", async () => {
    let tries = 0;
    const load = () => (++tries < 4 ? Promise.reject(new Error("away")) : Promise.resolve("page"));
    expect(await patiently(load, () => Promise.resolve(false), now)).toBe("page");
  });
  it("is given up where the Engine is there and has it no more", async () => {
    let tries = 0;
    const load = () => {
      tries += 1;
      return Promise.reject(new Error("gone"));
    };
    await expect(patiently(load, () => Promise.resolve(true), now)).rejects.toThrow("gone");
    expect(tries).toBe(2);
  });
});
