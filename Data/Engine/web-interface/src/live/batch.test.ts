import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Batch } from "./batch";

describe("a batch", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("hands over the first soon and the rest together", () => {
    const delivered: number[][] = [];
    const batch = new Batch<number>(500, (items) => delivered.push(items), () => Date.now());
    batch.add(1);
    vi.advanceTimersByTime(20);
    expect(delivered).toEqual([[1]]);
    batch.add(2);
    batch.add(3);
    vi.advanceTimersByTime(100);
    expect(delivered).toHaveLength(1);
    vi.advanceTimersByTime(500);
    expect(delivered).toEqual([[1], [2, 3]]);
  });

  it("loses what is left when it is stopped, and nothing else", () => {
    const delivered: number[][] = [];
    const batch = new Batch<number>(500, (items) => delivered.push(items), () => Date.now());
    batch.add(1);
    batch.stop();
    vi.advanceTimersByTime(1000);
    expect(delivered).toEqual([]);
  });
});
