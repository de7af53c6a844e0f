import type { AgentUpdate } from "./queries";

export type Mood = "under way" | "went wrong" | "over";

const UNDER_WAY: Record<string, string> = {
  queued: "The agent will be updated once it is its turn and the device is there.",
  ordered: "The agent was told to update itself.",
  started: "The agent is updating itself. It is away for a few seconds when it starts as the new version.",
  waiting: "The new version is ready. The agent waits for scripts to end before it starts as that.",
};
const WENT_WRONG: Record<string, string> = {
  rolled_back: "The agent's new version did not come up, so the one before runs again.",
  failed: "The agent could not be updated. Nothing was changed on the device.",
  refused: "The agent refused to update itself.",
  expired: "The device was not there for thirty days, so its agent was not updated.",
};

export function moodOf(update: Pick<AgentUpdate, "state">): Mood {
  if (update.state in UNDER_WAY) return "under way";
  return update.state in WENT_WRONG ? "went wrong" : "over";
}

/** What became of an update, as a sentence for people; empty for one that is nobody's concern any more. */
export function sentenceOf(update: Pick<AgentUpdate, "state">): string {
  return UNDER_WAY[update.state] ?? WENT_WRONG[update.state] ?? "";
}
