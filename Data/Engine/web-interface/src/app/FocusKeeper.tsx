import { useEffect } from "react";

const ABOVE = "[role='dialog'], [role='menu'], [role='listbox']";

/**
 * Where the focus was in a dialog, and the dialog is gone with it: it goes back to where it came from, or to the
 * content where that is gone too, as with the row of what was deleted. Whoever works by keyboard would begin at the
 * top of the page otherwise.
 */
export function FocusKeeper() {
  useEffect(() => {
    let last: HTMLElement | null = null;
    /** What may take the focus away with it: the dialog, then what got the focus after it. */
    let held: Element | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const settle = () => {
      timer = undefined;
      if (held === null || held.isConnected) return;
      const now = document.activeElement;
      if (now !== null && now !== document.body) {
        hold(null);
        return;
      }
      const place = last?.isConnected ? last : document.getElementById("content");
      place?.focus({ preventScroll: true });
    };
    // A dialog may make room for another one: only what is true a moment later counts.
    const observer = new MutationObserver(() => {
      if (held?.isConnected === false) timer ??= setTimeout(settle, 30);
    });
    const hold = (next: Element | null) => {
      if (next === null) observer.disconnect();
      else if (held === null) observer.observe(document.body, { childList: true, subtree: true });
      held = next;
    };
    const onFocus = (event: FocusEvent) => {
      if (!(event.target instanceof HTMLElement)) return;
      const above = event.target.closest(ABOVE);
      if (above !== null) {
        hold(above);
      } else if (event.target.closest("[data-portal]") === null) {
        last = event.target;
        // Back from a dialog: what was done in it may still remove what has the focus now.
        if (held !== null) hold(held.matches(ABOVE) ? last : null);
      }
    };
    document.addEventListener("focusin", onFocus);
    return () => {
      document.removeEventListener("focusin", onFocus);
      observer.disconnect();
      clearTimeout(timer);
    };
  }, []);
  return null;
}
