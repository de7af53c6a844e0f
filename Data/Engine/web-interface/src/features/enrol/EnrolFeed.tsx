import { useQueryClient } from "@tanstack/react-query";
import { useLiveEvent } from "@/live/hooks";
import { APPROVALS, CODES } from "./queries";

/** Listens to who knocks, for all pages. Shows nothing. */
export function EnrolFeed() {
  const client = useQueryClient();
  useLiveEvent("approvals_changed", () => {
    void client.invalidateQueries({ queryKey: APPROVALS });
    void client.invalidateQueries({ queryKey: CODES });
  });
  return null;
}
