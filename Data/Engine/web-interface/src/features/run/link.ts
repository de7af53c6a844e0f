import { useRouter } from "@tanstack/react-router";
import { useMay } from "@/app/session";

/** More would not fit an address: they are kept with the page instead. */
export const MOST_IN_ADDRESS = 400;
/** Stands in the address for a choice that is too long for it. */
export const KEPT = "kept";

let kept: readonly string[] = [];

/** GUIDs as they stand in an address. */
export function addressOf(guids: readonly string[]): string {
  if (guids.length <= MOST_IN_ADDRESS) return guids.join(",");
  kept = guids;
  return KEPT;
}

/** The GUIDs that an address means; none where the page that kept them is gone. */
export function guidsOf(text: string | undefined): readonly string[] {
  if (text === KEPT) return kept;
  return (text ?? "").split(",").filter(Boolean);
}

/**
 * How to go to the page that runs scripts with these devices chosen (`/run?devices=GUID,GUID`).
 * Null where the operator may not.
 */
export function useOpenRun(): ((guids: readonly string[]) => void) | null {
  const router = useRouter();
  const may = useMay("runs.start");
  if (!may || !("/run" in router.routesByPath)) return null;
  return (guids) => router.history.push(`/run?devices=${encodeURIComponent(addressOf(guids))}`);
}
