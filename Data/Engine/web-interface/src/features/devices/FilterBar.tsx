import { MultiSelect, Select } from "@mantine/core";
import { memo, useMemo } from "react";
import { useSites } from "@/features/sites/queries";
import { listOf, OLDER, type DeviceSearch } from "./filter";
import { STATE_WORDS, STATES, type Device, type DeviceState } from "./state";

// Memoised apart from the page: it renders anew with every letter in the search and every device that changes.

interface StateProps {
  value: string | undefined;
  counts: Readonly<Record<DeviceState, number>>;
  onChange: (next: DeviceSearch) => void;
}

/** Narrows the list by state. */
export const StateFilter = memo(function StateFilter({ value, counts, onChange }: StateProps) {
  return (
    <MultiSelect
      aria-label="State"
      placeholder={value ? "" : "Any state"}
      w={{ base: "calc(50% - 5px)", xs: 210 }}
      clearable
      data={STATES.map((state) => ({ value: state, label: `${STATE_WORDS[state]} (${counts[state]})` }))}
      value={listOf(value)}
      onChange={(states) => onChange({ state: states.join(",") })}
    />
  );
});

interface OtherProps {
  site: string | undefined;
  os: string | undefined;
  older: string | undefined;
  systems: string[];
  onChange: (next: DeviceSearch) => void;
}

/** Narrows the list by site, operating system and the time a device was last seen. */
export const OtherFilters = memo(function OtherFilters({ site, os, older, systems, onChange }: OtherProps) {
  const sites = useSites();
  return (
    <>
      <MultiSelect
        aria-label="Site"
        placeholder={site ? "" : "Any site"}
        w={{ base: "calc(50% - 5px)", xs: 190 }}
        clearable
        searchable
        data={siteChoices(sites.data, site)}
        value={listOf(site)}
        onChange={(value) => onChange({ site: value.join(",") })}
      />
      <MultiSelect
        aria-label="Operating system"
        placeholder={os ? "" : "Any system"}
        w={{ base: "100%", xs: 200 }}
        visibleFrom="sm"
        clearable
        searchable
        data={systems}
        value={listOf(os, "|")}
        onChange={(value) => onChange({ os: value.join("|") })}
      />
      <Select
        aria-label="Last seen"
        placeholder="Seen at any time"
        w={{ base: "calc(50% - 5px)", xs: 210 }}
        clearable
        data={
          older && !OLDER.some((one) => one.value === older)
            ? [...OLDER, { value: older, label: `Not seen for ${older}` }]
            : [...OLDER]
        }
        value={older ?? null}
        onChange={(value) => onChange({ older: value ?? "" })}
      />
    </>
  );
});

/** The operating systems there are, by name; the same list as long as it says the same. */
export function useSystems(devices: readonly Device[]): string[] {
  const names = useMemo(
    () => JSON.stringify([...new Set(devices.map((device) => device.operating_system).filter(Boolean))].sort()),
    [devices],
  );
  return useMemo(() => JSON.parse(names) as string[], [names]);
}

/** Sites to choose from; those that the address names and that are no more keep a place, so that they can be left. */
function siteChoices(sites: readonly { id: number; name: string }[] | undefined, chosen: string | undefined) {
  const known = [
    { value: "none", label: "No site" },
    ...(sites ?? []).map((site) => ({ value: String(site.id), label: site.name })),
  ];
  const values = new Set(known.map((one) => one.value));
  const gone = sites ? listOf(chosen).filter((one) => !values.has(one)) : [];
  return [...known, ...gone.map((value) => ({ value, label: "A site that is gone" }))];
}
