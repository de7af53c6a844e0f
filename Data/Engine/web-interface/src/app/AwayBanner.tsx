import { Loader } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useLiveEvent, useLiveSince, useLiveState } from "@/live/hooks";
import { live } from "@/live/socket";
import { meQuery } from "./session";
import classes from "./Shell.module.css";

/** A short break is not worth a word. */
const PATIENCE_MS = 1500;

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Says when the Engine is away, and since when; asks everything anew when it is back. */
export function AwayBanner() {
  const state = useLiveState();
  const since = useLiveSince();
  const client = useQueryClient();
  const [patient, setPatient] = useState(true);

  useEffect(() => {
    if (state !== "away") return;
    const timer = setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => {
      clearTimeout(timer);
      setPatient(true);
    };
  }, [state]);

  useEffect(() => {
    let wasAway = false;
    return live.onState((next) => {
      if (next === "away" && !wasAway) {
        wasAway = true;
        // Perhaps it is not the Engine that is gone, but our session.
        void client.invalidateQueries({ queryKey: meQuery.queryKey });
      } else if (next === "live" && wasAway) {
        wasAway = false;
        void client.invalidateQueries();
      }
    });
  }, [client]);

  // We were too slow for what came; what is shown may be old.
  useLiveEvent("missed", () => void client.invalidateQueries());

  if (state !== "away" || patient) return null;
  return (
    <div className={classes.banner} role="status">
      <Loader size={14} color="currentColor" aria-hidden />
      <span>
        The Engine has been away since {clock.format(since * 1000)}. What you see is from before that. The page goes on by
        itself when it is back.
      </span>
    </div>
  );
}
