import { expect, test } from "vitest";
import { afterPause, between, readCast, readSize } from "./cast";

const HEAD = '{"version":2,"width":100,"height":30}';

test("a recording is read with its size, its events and its length", () => {
  const cast = readCast(`${HEAD}\n[0.5,"o","a"]\n[1.5,"r","120x40"]\n[2,"i","secret"]\n[2.5,"o","ü"]\n`);
  expect([cast.columns, cast.rows, cast.length]).toEqual([100, 30, 2.5]);
  expect(cast.events.map((event) => event.data)).toEqual(["a", "120x40", "ü"]);
});

test("a recording that is being written plays up to its last whole line", () => {
  expect(readCast(`${HEAD}\n[0.5,"o","a"]\n[1.5,"o","b`).events).toHaveLength(1);
});

test("what is no recording is refused, and a size that nobody has is not taken", () => {
  expect(() => readCast('{"version":1}')).toThrow(/no recording/);
  expect(() => readCast("nonsense")).toThrow(SyntaxError);
  expect(() => readCast(`${HEAD}\nnonsense\n[1,"o","a"]\n[2,"o","b"]\n`)).toThrow(SyntaxError);
  expect(readCast('{"version":2,"width":1e9,"height":-1}\n').columns).toBe(80);
  expect(readSize("120x40")).toEqual([120, 40]);
  expect(readSize("120 x 40")).toBeNull();
});

test("every event is played once, whatever the steps are", () => {
  const { events } = readCast(`${HEAD}\n[0,"o","a"]\n[1,"o","b"]\n[1,"o","c"]\n[2,"o","d"]\n`);
  const steps = [-1, 0, 0.5, 1, 1.5, 3];
  const played = steps.slice(1).flatMap((until, index) => between(events, steps[index] ?? 0, until));
  expect(played.map((event) => event.data).join("")).toBe("abcd");
});

test("a long pause is cut short", () => {
  const { events } = readCast(`${HEAD}\n[1,"o","a"]\n[100,"o","b"]\n`);
  expect(afterPause(events, 1, 2)).toBe(98);
  expect(afterPause(events, 99, 2)).toBe(99);
  expect(afterPause(events, 100, 2)).toBe(100);
});
