import { describe, expect, it } from "vitest";
import { groups } from "@/ui/fingerprint";
import { commandsFor } from "./commands";

describe("commands", () => {
  it("carry the token as it is", () => {
    const token = "https://engine.example:5000#0123-4567-89AB.00ff";
    expect(commandsFor(token).linux[0]?.command).toBe(`sudo ./Borealis.sh install agent --enrollment-code '${token}'`);
    expect(commandsFor(token).windows[0]?.command).toContain(`-EnrollmentCode '${token}'`);
  });
  it("cannot be broken out of", () => {
    expect(commandsFor("a'; rm -rf $HOME; '").linux[0]?.command).toBe(
      "sudo ./Borealis.sh install agent --enrollment-code 'arm-rfHOME'",
    );
  });
});

describe("a fingerprint", () => {
  it("is shown in groups of four", () => {
    expect(groups("00aa:11bb 2")).toEqual(["00aa", "11bb", "2"]);
  });
});
