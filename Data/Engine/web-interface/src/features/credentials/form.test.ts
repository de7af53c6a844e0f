import { describe, expect, it } from "vitest";
import { isWhole, NO_SECRET, secretOf } from "./form";

describe("a credential that is typed", () => {
  it("sends nothing that was typed for another way in", () => {
    const typed = { ...NO_SECRET, username: " ops ", key: "KEY", passphrase: "open", password: "word", becomePassword: "root" };
    expect(secretOf("ssh", typed)).toEqual({ username: "ops", private_key: "KEY", passphrase: "open", password: "", transport: "", become: null });
    expect(secretOf("ssh", { ...typed, by: "password" })).toMatchObject({ private_key: "", passphrase: "", password: "word" });
    expect(secretOf("windows", typed)).toMatchObject({ private_key: "", password: "word", transport: "ntlm" });
    expect(secretOf("ssh", { ...typed, become: "sudo" }).become).toEqual({ method: "sudo", username: "", password: "root" });
  });

  it("is whole with a user and a way in", () => {
    expect(isWhole("ssh", NO_SECRET)).toBe(false);
    expect(isWhole("ssh", { ...NO_SECRET, username: "ops", password: "word" })).toBe(false);
    expect(isWhole("windows", { ...NO_SECRET, username: "ops", password: "word" })).toBe(true);
  });
});
