import { EmptyState } from "@/ui/EmptyState";

/** Nothing of this kind was reported. */
export function NoInventory({ what }: { what: string }) {
  return (
    <EmptyState title={`Nothing is known about its ${what}`}>
      The agent sends its inventory within minutes of its first connection, and again when something changes.
    </EmptyState>
  );
}
