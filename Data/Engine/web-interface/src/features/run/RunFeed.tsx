import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { askAnew } from "@/live/anew";
import { Batch } from "@/live/batch";
import { live } from "@/live/socket";
import { RUNS } from "./queries";

/** Runs change in bursts; lists of them are asked for anew at most this often. */
const EVERY_MS = 1500;

/** Listens to what happens to runs, for all pages. Shows nothing. */
export function RunFeed() {
  const client = useQueryClient();
  useEffect(() => {
    const batch = new Batch<unknown>(EVERY_MS, () => askAnew(client, RUNS));
    const off = live.on("device_activity_changed", (change: unknown) => batch.add(change));
    return () => {
      off();
      batch.stop();
    };
  }, [client]);
  return null;
}
