import { afterEach, describe, expect, it, vi } from "vitest";
import { Output, readable } from "./output";

const texts = (output: Output) => output.lines.map((line) => `${line.stream === "stderr" ? "!" : ""}${line.text}`);

afterEach(() => {
  vi.useRealTimers();
});

describe("output", () => {
  it("tells at once after a quiet time, then ten times a second at most", () => {
    vi.useFakeTimers();
    const output = new Output();
    const tell = vi.fn();
    output.subscribe(tell);
    output.piece("a", 0, "stdout", "one\n");
    vi.advanceTimersByTime(1);
    expect(tell).toHaveBeenCalledTimes(1);
    for (let seq = 1; seq <= 50; seq += 1) {
      output.piece("a", seq, "stdout", "more\n");
      vi.advanceTimersByTime(10);
    }
    expect(tell.mock.calls.length).toBeLessThanOrEqual(6);
    vi.advanceTimersByTime(200);
    tell.mockClear();
    output.piece("a", 51, "stdout", "late\n");
    vi.advanceTimersByTime(1);
    expect(tell).toHaveBeenCalledTimes(1);
  });

  it("puts pieces in order, leaves repeats out, and says what is missing", () => {
    const output = new Output();
    output.piece("a", 1, "stdout", "two\n");
    expect(output.hasGap("a")).toBe(true);
    expect(output.after("a")).toBe(-1);
    output.piece("a", 0, "stdout", "one\n");
    output.piece("a", 0, "stdout", "one\n");
    output.piece("a", 2, "stderr", "oh\n");
    expect(texts(output)).toEqual(["one", "two", "!oh"]);
    expect(output.hasGap("a")).toBe(false);
    expect(output.after("a")).toBe(2);
  });

  it("joins a line that comes in parts, each stream for itself", () => {
    const output = new Output();
    output.piece("a", 0, "stdout", "hal");
    output.piece("a", 1, "stderr", "warn");
    output.piece("a", 2, "stdout", "f\nnext\n");
    output.piece("a", 3, "stderr", "ing\n");
    expect(texts(output)).toEqual(["half", "!warning", "next"]);
  });

  it("takes a page of the Engine's over pieces that came early, once", () => {
    const output = new Output();
    output.piece("a", 5, "stdout", "six\n");
    output.page("a", [
      { seq: 0, stream: "stdout", data: "one\n" },
      { seq: 4, stream: "stdout", data: "five\n" },
      { seq: 5, stream: "stdout", data: "six\n" },
    ]);
    expect(texts(output)).toEqual(["one", "five", "six"]);
    expect(output.hasGap("a")).toBe(false);
  });

  it("keeps empty lines, and takes the whole where nothing came, once", () => {
    const output = new Output();
    output.finish("a", "x\n\ny", "z\n");
    output.finish("a", "x\n\ny", "z\n");
    expect(texts(output)).toEqual(["x", "", "y", "!z"]);
  });

  it("adds the last words that only the result has, and fills holes from it", () => {
    const output = new Output();
    output.piece("a", 0, "stdout", "live\nha");
    output.finish("a", "live\nhalf\nlast\n", "bad\n");
    output.piece("b", 0, "stdout", "one\n");
    output.page("b", [{ seq: 4, stream: "stdout", data: "four\n" }]);
    output.piece("c", 0, "stdout", "other\n");
    output.finish("b", "one\ntwo\nthree\nfour\n", "");
    output.finish("c", "cut\n", "");
    expect(texts(output)).toEqual(["live", "half", "last", "!bad", "other", "one", "two", "three", "four"]);
  });

  it("shows lines without the codes of terminals", () => {
    expect(readable("\u001b[31mred\u001b[0m\r")).toBe("red");
    expect(readable("10 %\r50 %\r100 %")).toBe("100 %");
    expect(readable("<img src=x>\u0000")).toBe("<img src=x>\ufffd");
  });
});
