import { describe, expect, it } from "vitest";
import { above, below, crumbs, filesSearch, modeText } from "./paths";

describe("paths of a device", () => {
  it("go down and up again", () => {
    for (const [folder, name, path] of [
      ["/", "etc", "/etc"],
      ["/etc", "hosts", "/etc/hosts"],
      ["C:\\", "Users", "C:\\Users"],
      ["C:\\Users", "ada", "C:\\Users\\ada"],
    ] as const) {
      expect(below(folder, name)).toBe(path);
      expect(above(path)).toBe(folder);
    }
    expect(below("", "notes.txt")).toBe("notes.txt");
    expect(above("/")).toBe("/");
    expect(above("C:\\")).toBe("C:\\");
  });

  it("have a crumb for each folder on the way", () => {
    expect(crumbs("/var/log")).toEqual([
      { name: "/", path: "/" },
      { name: "var", path: "/var" },
      { name: "log", path: "/var/log" },
    ]);
    expect(crumbs("/")).toEqual([{ name: "/", path: "/" }]);
    expect(crumbs("C:\\Users\\ada").map((one) => one.path)).toEqual(["C:\\", "C:\\Users", "C:\\Users\\ada"]);
  });

  it("come from the address as texts or not at all", () => {
    expect(filesSearch({ path: "/etc", as: 12, other: 1 })).toEqual({ path: "/etc", as: "12" });
    expect(filesSearch({ path: ["/etc"], as: "" })).toEqual({});
  });
});

it("permission bits are read by people", () => {
  expect(modeText(0o754)).toBe("rwxr-xr--");
});
