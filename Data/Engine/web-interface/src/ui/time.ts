/** Times as people read them: how long ago, and exactly when in the reader's own zone. */

const STEPS: readonly [limit: number, divisor: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [30 * 86_400, 86_400, "day"],
  [365 * 86_400, 30 * 86_400, "month"],
  [Number.POSITIVE_INFINITY, 365 * 86_400, "year"],
];

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** "3 minutes ago", "in 2 hours"; `seconds` and `now` are Unix seconds. */
export function ago(seconds: number, now: number): string {
  const distance = seconds - now;
  const size = Math.abs(distance);
  if (size < 5) return "just now";
  for (const [limit, divisor, unit] of STEPS) {
    if (size < limit) return relative.format(Math.trunc(distance / divisor), unit);
  }
  return exactly(seconds);
}

/** Date, time and zone. */
export function exactly(seconds: number): string {
  return exact.format(new Date(seconds * 1000));
}

/** "1 d 3 h", "4 min 2 s", "0.4 s", "< 0.1 s": how long something took or has lasted. */
export function duration(seconds: number): string {
  if (seconds < 0.1) return "< 0.1 s";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const parts: readonly [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3600), "h"],
    [Math.floor((seconds % 3600) / 60), "min"],
    [Math.floor(seconds % 60), "s"],
  ];
  const from = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(from, from + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** Bytes in powers of 1024, as operating systems count them. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  let value = count;
  for (const unit of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    value /= 1024;
    if (value < 1024 || unit === "PiB") return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  }
  return `${count} B`;
}
