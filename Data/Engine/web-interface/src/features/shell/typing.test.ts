import { expect, test } from "vitest";
import { cut, Typist } from "./typing";

test("what is typed while a message is on its way goes together, in its order", async () => {
  const sent: string[] = [];
  const taken: (() => void)[] = [];
  const typist = new Typist((data) => {
    sent.push(data);
    return new Promise<void>((done) => taken.push(done));
  });
  typist.type("a");
  typist.type("b");
  typist.type("c");
  expect(sent).toEqual(["a"]);
  taken.shift()?.();
  await expect.poll(() => sent).toEqual(["a", "bc"]);
});

test("a long paste is sent in pieces that cut no character in two", async () => {
  const sent: string[] = [];
  const typist = new Typist((data) => {
    sent.push(data);
    return Promise.resolve();
  });
  const text = "😀".repeat(20_000);
  typist.type(text);
  await expect.poll(() => sent.join("").length).toBe(text.length);
  expect(sent.join("")).toBe(text);
  expect(sent.length).toBeGreaterThan(2);
  expect(sent.every((piece) => encodeURIComponent(piece).length > 0)).toBe(true); // throws for half a character
  expect(cut("x😀", 2)).toBe(1);
});

test("a shell that is gone gets nothing of what was typed for it later", async () => {
  let calls = 0;
  const typist = new Typist(() => {
    calls += 1;
    return Promise.reject(new Error("gone"));
  });
  typist.type("a");
  typist.type("b");
  await expect.poll(() => calls).toBe(1);
});
