import { describe, expect, it } from "vitest";
import { csv } from "./download";

describe("csv", () => {
  it("quotes what has to be quoted", () => {
    expect(csv([["a", 'say "hi", twice'], [1, "two\nlines"]])).toBe('a,"say ""hi"", twice"\r\n1,"two\nlines"\r\n');
  });
  it("defuses names that a spreadsheet would run", () => {
    expect(csv([["=HYPERLINK(1)", "-2+3", "@x"], [-5, null, undefined]])).toBe("'=HYPERLINK(1),'-2+3,'@x\r\n-5,,\r\n");
  });
});
