/** Over how long the plots of the overview go; in the address. */
export interface OverviewSearch {
  range?: "7d" | "30d";
}

export function overviewSearch(search: Record<string, unknown>): OverviewSearch {
  const range = search["range"];
  return range === "7d" || range === "30d" ? { range } : {};
}

export const HOURS: Record<string, number> = { "24h": 24, "7d": 7 * 24, "30d": 30 * 24 };
export const RANGE_WORDS: Record<string, string> = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" };
