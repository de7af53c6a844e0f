import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { useSearchText } from "./useSearchText";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function field(address = "") {
  const sent: string[] = [];
  const hook = renderHook((now: string) => useSearchText(now, (text) => sent.push(text)), { initialProps: address });
  return {
    sent,
    hook,
    type: (text: string) => {
      act(() => hook.result.current.type(text));
    },
    pause: () => {
      act(() => {
        vi.advanceTimersByTime(400);
      });
    },
    shown: () => [hook.result.current.text, hook.result.current.epoch],
  };
}

describe("the text of a search", () => {
  it("stays in its field while its address is on its way, and when that comes back", () => {
    const { hook, sent, type, pause, shown } = field();
    type("s");
    pause();
    expect(sent).toEqual(["s"]);
    expect(shown()).toEqual(["s", 0]);
    type("si");
    hook.rerender("s");
    expect(shown()).toEqual(["si", 0]);
    pause();
    hook.rerender("si");
    expect(shown()).toEqual(["si", 0]);
  });

  it("is not undone by an address that comes after the next was sent", () => {
    const { hook, type, pause, shown } = field();
    type("s");
    pause();
    type("si");
    pause();
    hook.rerender("s");
    hook.rerender("si");
    expect(shown()).toEqual(["si", 0]);
  });

  it("follows an address that is not its own: a saved filter, the way back", () => {
    const { hook, type, pause, shown } = field("old");
    expect(shown()).toEqual(["old", 0]);
    type("new");
    pause();
    hook.rerender("new");
    hook.rerender("old");
    expect(shown()).toEqual(["old", 1]);
  });

  it("can be emptied, and what was not sent yet never is", () => {
    const { hook, sent, type, pause, shown } = field("old");
    type("older");
    act(() => hook.result.current.clear());
    pause();
    hook.rerender("");
    expect(sent).toEqual([]);
    expect(shown()).toEqual(["", 1]);
  });
});
