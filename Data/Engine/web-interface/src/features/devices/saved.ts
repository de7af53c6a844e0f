import type { Schemas } from "@/api/client";
import type { Density } from "@/ui/preferences";
import { CRITERIA, deviceSearch, listOf, type DeviceSearch } from "./filter";

/** How the table is looked at: what a saved view keeps beside its filters. */
export interface Look {
  /** Ids of the columns shown; null for what is shown by default. */
  columns: readonly string[] | null;
  density: Density;
}

interface Common {
  id: number;
  name: string;
  shared: boolean;
  owner: string;
  editable: boolean;
  updatedAt: number;
  /** What the list is narrowed to, and for a view its order. */
  search: DeviceSearch;
}

/** What operators keep in the Engine: a filter narrows; a view also has columns, order and density. */
export type Saved =
  | (Common & { kind: "filter"; raw: Schemas["FilterView"] })
  | (Common & { kind: "view"; raw: Schemas["ViewView"]; look: Look });

type AnyObject = Record<string, never>;

/** Stands for sites that are no more: it is in no device. */
const NO_SITE_LEFT = "0";
const NUMBER = /^[1-9]\d{0,9}$/;

function narrowing(search: DeviceSearch): DeviceSearch {
  const known = CRITERIA.flatMap((name) => (search[name] === undefined ? [] : [[name, search[name]]]));
  return Object.fromEntries(known) as DeviceSearch;
}

/** The sites of a search where it names sites and nothing else; null for all, or for those without a site too. */
function siteIds(search: DeviceSearch): number[] | null {
  const given = listOf(search.site);
  return given.length > 0 && given.every((one) => NUMBER.test(one)) ? given.map(Number) : null;
}

export function ofFilter(raw: Schemas["FilterView"]): Saved {
  const search = narrowing(deviceSearch(raw.basic_criteria));
  if (raw.site_mode === "sites") search.site = raw.sites.join(",") || NO_SITE_LEFT;
  return { ...common(raw), kind: "filter", raw, search };
}

export function ofView(raw: Schemas["ViewView"]): Saved {
  const given = deviceSearch(raw.filters);
  const search = { ...narrowing(given), ...(given.sort ? { sort: given.sort } : {}) };
  const columns = raw.columns.filter((one): one is string => typeof one === "string");
  const density = (raw.filters as Record<string, unknown>)["density"] === "compact" ? "compact" : "comfortable";
  return { ...common(raw), kind: "view", raw, search, look: { columns: columns.length > 0 ? columns : null, density } };
}

function common(raw: Schemas["FilterView"] | Schemas["ViewView"]): Omit<Common, "search"> {
  const { id, name, shared, owner, editable, updated_at: updatedAt } = raw;
  return { id, name, shared, owner, editable, updatedAt };
}

/** What the Engine keeps of a search as a filter: its sites are the Engine's business, the rest is the page's. */
export function criteria(search: DeviceSearch): Pick<Schemas["FilterToSave"], "basic_criteria" | "site_mode" | "sites"> {
  const { site, ...others } = narrowing(search);
  const sites = siteIds(search);
  if (sites !== null) return { basic_criteria: others as AnyObject, site_mode: "sites", sites };
  return { basic_criteria: { ...others, ...(site ? { site } : {}) } as AnyObject, site_mode: "global", sites: [] };
}

/** What the Engine keeps of a search and a look as a view. */
export function arrangement(search: DeviceSearch, look: Look): Pick<Schemas["ViewToSave"], "columns" | "filters"> {
  const filters = { ...narrowing(search), ...(search.sort ? { sort: search.sort } : {}), density: look.density };
  return { columns: [...(look.columns ?? [])], filters: filters as unknown as AnyObject };
}

/** The address that opens it. */
export function opening(saved: Saved): DeviceSearch {
  return { ...saved.search, [saved.kind]: saved.id };
}

/** Whether a link names what is saved and nothing of what it says: then it is to be opened as it was saved. */
export function isBare(search: DeviceSearch): boolean {
  return search.sort === undefined && CRITERIA.every((name) => search[name] === undefined);
}

/** Whether what is shown is no longer what was saved. */
export function isChanged(saved: Saved, search: DeviceSearch, look: Look): boolean {
  if (CRITERIA.some((name) => normal(search[name]) !== normal(saved.search[name]))) return true;
  if (saved.kind === "filter") return false;
  return (
    search.sort !== saved.search.sort ||
    look.density !== saved.look.density ||
    normal(look.columns?.join(",")) !== normal(saved.look.columns?.join(","))
  );
}

/** Lists are the same in any order. */
function normal(text: string | undefined): string {
  return (text ?? "").split(",").sort().join(",");
}
