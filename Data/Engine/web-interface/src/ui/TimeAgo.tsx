import { useNow } from "./clock";
import { ago, exactly } from "./time";

interface Props {
  /** Unix seconds; 0 or null for never. */
  at: number | null | undefined;
  never?: string;
}

/** Clocks differ a little: what happened is never "in 3 seconds". */
const SKEW = 90;

/** A relative time with the exact one on hover. */
export function TimeAgo({ at, never = "never" }: Props) {
  const now = useNow();
  if (at === null || at === undefined || at <= 0) return <span>{never}</span>;
  const when = exactly(at);
  return (
    // The browser's own hint: a thousand times in a list must cost nothing.
    <time dateTime={new Date(at * 1000).toISOString()} title={when} style={{ whiteSpace: "nowrap" }}>
      {ago(at, at - now > SKEW ? now : Math.max(now, at))}
    </time>
  );
}
