import { useCallback, useEffect, useState, type RefObject } from "react";

interface WithKeyboard {
  /** Chromium's: Alt-Tab, Esc and the like come to the page. */
  keyboard?: { lock: () => Promise<void>; unlock: () => void };
}

/** A part of the page over the whole screen, with the keys that the system keeps otherwise, where the browser gives them. */
export function useFullScreen(part: RefObject<HTMLElement | null>): [boolean, () => void] {
  const [full, setFull] = useState(false);
  useEffect(() => {
    const changed = () => setFull(document.fullscreenElement !== null && document.fullscreenElement === part.current);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, [part]);
  const toggle = useCallback(() => {
    const { keyboard } = navigator as WithKeyboard;
    if (document.fullscreenElement) {
      keyboard?.unlock();
      void document.exitFullscreen();
    } else {
      void part.current
        ?.requestFullscreen()
        .then(() => keyboard?.lock())
        .catch(() => undefined);
    }
  }, [part]);
  return [full, toggle];
}
