import { describe, expect, it } from "vitest";
import type { Schemas } from "@/api/client";
import { arrangement, criteria, isBare, isChanged, ofFilter, ofView, opening, type Look } from "./saved";

const any = (value: unknown) => value as Record<string, never>;
const plain: Look = { columns: null, density: "comfortable" };

const filter = (given: Partial<Schemas["FilterView"]>): Schemas["FilterView"] => ({
  id: 7,
  name: "Silent",
  shared: false,
  owner: "ada",
  description: "",
  archived: false,
  criteria_mode: "basic",
  site_mode: "global",
  sites: [],
  basic_criteria: any({}),
  last_edited_by: "ada",
  created_at: 1,
  updated_at: 1,
  editable: true,
  ...given,
});
const view = (given: Partial<Schemas["ViewView"]>): Schemas["ViewView"] => ({
  id: 3,
  name: "Wide",
  shared: true,
  owner: "ada",
  columns: [],
  filters: any({}),
  created_at: 1,
  updated_at: 1,
  editable: true,
  ...given,
});

describe("a saved filter", () => {
  it("gives its sites to the Engine, so that only who may see them finds it", () => {
    expect(criteria({ q: "web", site: "3,4", sort: "-last_seen", filter: 7 })).toEqual({
      basic_criteria: { q: "web" },
      site_mode: "sites",
      sites: [3, 4],
    });
    expect(criteria({ site: "none,3" })).toMatchObject({ basic_criteria: { site: "none,3" }, site_mode: "global" });
  });
  it("comes back as it was saved", () => {
    const search = { q: "web", older: "7d", site: "3" };
    const saved = ofFilter(filter(criteria(search)));
    expect(saved.search).toEqual(search);
    expect(opening(saved)).toEqual({ ...search, filter: 7 });
    expect(isChanged(saved, { ...search, sort: "site" }, plain)).toBe(false);
    expect(isChanged(saved, { ...search, older: "1d" }, plain)).toBe(true);
  });
  it("never widens when its sites are gone", () => {
    expect(ofFilter(filter({ site_mode: "sites", sites: [] })).search.site).toBe("0");
  });
  it("is read with care: somebody else wrote it", () => {
    const saved = ofFilter(filter({ basic_criteria: any({ q: ["x"], evil: 1, older: "7d", filter: 9, sort: "site" }) }));
    expect(saved.search).toEqual({ older: "7d" });
  });
});

describe("a saved view", () => {
  it("keeps columns, order and density too", () => {
    const look: Look = { columns: ["hostname", "last_user"], density: "compact" };
    const search = { older: "7d", sort: "-last_seen" };
    const saved = ofView(view(arrangement({ ...search, view: 3 }, look)));
    expect(saved).toMatchObject({ kind: "view", search, look });
    expect(isChanged(saved, search, look)).toBe(false);
    expect(isChanged(saved, search, { ...look, columns: ["last_user", "hostname"] })).toBe(false);
    expect(isChanged(saved, search, { ...look, density: "comfortable" })).toBe(true);
    expect(isChanged(saved, { older: "7d" }, look)).toBe(true);
  });
  it("is read with care", () => {
    expect(ofView(view({ columns: [1, "site", null], filters: any({ density: "huge", q: 5 }) }))).toMatchObject({
      search: { q: "5" },
      look: { columns: ["site"], density: "comfortable" },
    });
  });
});

describe("a link", () => {
  it("is bare where it only names what is saved", () => {
    expect(isBare({ filter: 7 })).toBe(true);
    expect(isBare({ filter: 7, older: "7d" })).toBe(false);
  });
});
