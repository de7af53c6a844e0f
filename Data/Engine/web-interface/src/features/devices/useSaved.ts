import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useMemo, useRef } from "react";
import { api, take } from "@/api/client";
import { PageError } from "@/api/errors";
import { lendPreferences } from "@/ui/preferences";
import type { DeviceSearch } from "./filter";
import { arrangement, criteria, isBare, ofFilter, ofView, opening, type Look, type Saved } from "./saved";

const SAVED = ["saved"] as const;

async function askSaved(): Promise<Saved[]> {
  const [{ filters }, { views }] = await Promise.all([
    take(api.GET("/api/device_filters")),
    take(api.GET("/api/device_list_views")),
  ]);
  const found = [...filters.map(ofFilter), ...views.map(ofView)];
  return found.sort((one, other) => one.name.localeCompare(other.name));
}

/** Filters and views, one's own and the shared ones, by name. */
export function useSaved(enabled: boolean) {
  return useQuery({ queryKey: SAVED, queryFn: askSaved, enabled });
}

interface Opened {
  /** What the address names; null where it names nothing, or it is not known yet. */
  saved: Saved | null;
  /** It is about to be opened: the list would show too much. */
  opening: boolean;
  error: Error | null;
}

/**
 * The saved filter or view that the address names. A link that says no more is opened as it was saved; a view lends the
 * table its columns and density for as long as it is open.
 */
export function useOpened(search: DeviceSearch, go: (search: DeviceSearch) => void): Opened {
  const { filter, view } = search;
  const kind = filter !== undefined ? "filter" : "view";
  const id = filter ?? view;
  const asked = useSaved(id !== undefined);
  const saved = useMemo(
    () => asked.data?.find((one) => one.kind === kind && one.id === id) ?? null,
    [asked.data, kind, id],
  );

  const arrived = useRef<string | null>(null);
  const arrive = useEffectEvent((one: Saved) => {
    if (isBare(search) && !isBare(one.search)) go(opening(one));
  });
  useEffect(() => {
    if (id === undefined) arrived.current = null;
    // Once: whoever then clears the filters meant it.
    else if (saved !== null && arrived.current !== `${kind} ${id}`) {
      arrived.current = `${kind} ${id}`;
      arrive(saved);
    }
  }, [saved, kind, id]);

  const look = saved?.kind === "view" ? saved.look : null;
  useEffect(() => {
    if (look === null) return;
    return lendPreferences({ "columns.devices": look.columns, density: look.density });
  }, [look]);

  const missing = id !== undefined && asked.isSuccess && !asked.isFetching && saved === null;
  return {
    saved,
    opening: id !== undefined && asked.isPending && isBare(search),
    error: missing
      ? new PageError(`${kind}_not_found`, `There is no such ${kind} any more, or it is not shared with you. The list is not narrowed by it.`)
      : asked.error,
  };
}

interface Draft {
  name: string;
  shared: boolean;
  search: DeviceSearch;
  /** Null: a filter alone. */
  look: Look | null;
}

/** Keep something new. */
async function create({ name, shared, search, look }: Draft): Promise<Saved> {
  if (look === null) {
    const body = { ...criteria(search), name, shared, description: "", archived: false, criteria_mode: "basic" as const };
    return ofFilter(await take(api.POST("/api/device_filters", { body })));
  }
  return ofView(await take(api.POST("/api/device_list_views", { body: { ...arrangement(search, look), name, shared } })));
}

interface Changes {
  name?: string;
  shared?: boolean;
  /** What it is to say from now on. */
  content?: { search: DeviceSearch; look: Look };
}

/** Change some of it; the rest stays as the Engine has it. */
async function change(saved: Saved, { name = saved.name, shared = saved.shared, content }: Changes): Promise<Saved> {
  const params = { path: { number: saved.id } };
  if (saved.kind === "filter") {
    const { description, archived, criteria_mode, site_mode, sites, basic_criteria } = saved.raw;
    const said = content ? criteria(content.search) : { site_mode, sites, basic_criteria };
    const body = { description, archived, criteria_mode, ...said, name, shared };
    return ofFilter(await take(api.PUT("/api/device_filters/{number}", { params, body })));
  }
  const { columns, filters } = content ? arrangement(content.search, content.look) : saved.raw;
  const body = { columns, filters, name, shared };
  return ofView(await take(api.PUT("/api/device_list_views/{number}", { params, body })));
}

async function remove(saved: Saved): Promise<void> {
  const params = { path: { number: saved.id } };
  if (saved.kind === "filter") await take(api.DELETE("/api/device_filters/{number}", { params }));
  else await take(api.DELETE("/api/device_list_views/{number}", { params }));
}

/** Do something to what is saved, and show what became of it. */
function useSavedAct<Given, Result>(act: (given: Given) => Promise<Result>, after: (result: Result) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: async (result) => {
      await client.invalidateQueries({ queryKey: SAVED });
      after(result);
    },
  });
}

export const useCreate = (after: (made: Saved) => void) => useSavedAct(create, after);
export const useChange = (saved: Saved, after: (changed: Saved) => void) =>
  useSavedAct((changes: Changes) => change(saved, changes), after);
export const useRemove = (saved: Saved, after: () => void) => useSavedAct(() => remove(saved), after);
