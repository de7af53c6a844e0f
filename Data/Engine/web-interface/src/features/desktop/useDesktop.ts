import { useCallback, useEffect, useState, useSyncExternalStore, type RefObject } from "react";
import { readPreference, writePreference } from "@/ui/preferences";
import { DesktopSession, type Wishes } from "./session";

/** What the reader likes is kept; whether only to look is asked each time. */
const LIKED = "desktop";
const NONE: Partial<Wishes> = {};

interface Desktop {
  session: DesktopSession;
  wish: (change: Partial<Wishes>) => void;
}

/** A desktop that is shown in `place` and ends with the component. `leave` gets the focus of who goes out of it. */
export function useDesktop(
  place: RefObject<HTMLElement | null>,
  leave: RefObject<HTMLElement | null>,
  label: string,
): Desktop {
  const [session] = useState(() => new DesktopSession(readPreference(LIKED, NONE)));
  useSyncExternalStore(session.subscribe, session.snapshot);
  useEffect(() => {
    if (!place.current) return undefined;
    return session.attach(place.current, () => leave.current?.focus());
  }, [session, place, leave]);
  useEffect(() => session.call(label), [session, label]);
  const wish = useCallback(
    (change: Partial<Wishes>) => {
      session.wish(change);
      const { sizing, quality, shareClipboard } = session.wishes;
      writePreference(LIKED, { sizing, quality, shareClipboard });
    },
    [session],
  );
  return { session, wish };
}
