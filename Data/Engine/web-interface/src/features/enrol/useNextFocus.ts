import { useEffect, useRef, type RefObject } from "react";

/**
 * A list of cards (`data-key`) that are decided one by one and leave: the focus goes from the one that left to the
 * next, or to the heading of the section where none is left. Whoever works by keyboard would begin at the top of the
 * page otherwise.
 */
export function useNextFocus(keys: readonly string[]): RefObject<HTMLDivElement | null> {
  const list = useRef<HTMLDivElement>(null);
  const now = useRef(keys);
  const held = useRef<{ key: string; place: number } | null>(null);

  useEffect(() => {
    const onFocus = (event: FocusEvent) => {
      const target = event.target instanceof HTMLElement && list.current?.contains(event.target) ? event.target : null;
      const key = target?.closest<HTMLElement>("[data-key]")?.dataset.key;
      held.current = key === undefined ? null : { key, place: now.current.indexOf(key) };
    };
    document.addEventListener("focusin", onFocus);
    return () => document.removeEventListener("focusin", onFocus);
  }, []);

  useEffect(() => {
    now.current = keys;
    if (held.current === null) return;
    const { key, place } = held.current;
    const still = keys.indexOf(key);
    if (still >= 0) {
      held.current = { key, place: still };
      return;
    }
    held.current = null;
    const active = document.activeElement;
    if (active !== null && active !== document.body) return;
    const cards = list.current?.querySelectorAll<HTMLElement>("[data-key]") ?? [];
    const next = cards[Math.min(place, cards.length - 1)] ?? list.current?.closest("section")?.querySelector<HTMLElement>("h2");
    if (!next) return;
    next.tabIndex = -1;
    next.focus();
  }, [keys]);

  return list;
}
