import { describe, expect, it } from "vitest";
import { PageError } from "@/api/errors";
import { explained } from "./ceremony";
import { obstacle } from "./obstacle";

const good = { hostname: "engine.example", isSecureContext: true, PublicKeyCredential: () => undefined };

describe("what stands in the way of passkeys", () => {
  it("is nothing at a name, with a browser that has them", () => {
    expect(obstacle(good)).toBeNull();
    expect(obstacle({ ...good, hostname: "localhost" })).toBeNull();
    expect(obstacle({ ...good, hostname: "10.example" })).toBeNull();
  });
  it("is an address by number", () => {
    expect(obstacle({ ...good, hostname: "192.0.2.7" })).toContain("192.0.2.7");
    expect(obstacle({ ...good, hostname: "[2001:db8::7]" })).toContain("name");
  });
  it("is a browser without them, or a connection that is not secure", () => {
    expect(obstacle({ ...good, PublicKeyCredential: undefined })).toBe("This browser has no passkeys.");
    expect(obstacle({ ...good, isSecureContext: false })).toContain("https");
  });
});

describe("a browser's refusal", () => {
  const said = (name: string) => explained(new DOMException("no", name), "engine.example");
  it("is told in words that help", () => {
    expect(said("NotAllowedError")).toMatchObject({ code: "passkey_not_given" });
    expect(said("SecurityError").message).toContain("engine.example");
    expect(said("InvalidStateError")).toMatchObject({ code: "passkey_exists_here" });
    expect(said("ConstraintError")).toMatchObject({ code: "passkey_not_possible" });
  });
  it("is looked for behind the library's own error", () => {
    const wrapped = Object.assign(new Error("wrapped", { cause: new DOMException("no", "SecurityError") }), { name: "Error" });
    expect(explained(wrapped, "x.example")).toMatchObject({ code: "passkey_other_name" });
  });
  it("keeps what it does not know", () => {
    expect(explained(new Error("odd"), "x")).toBeInstanceOf(PageError);
    expect(explained(new Error("odd"), "x").message).toContain("odd");
  });
});
