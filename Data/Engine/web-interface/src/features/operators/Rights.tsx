import { MultiSelect, Radio, Select, Stack } from "@mantine/core";
import type { Schemas } from "@/api/client";
import { useSites } from "@/features/sites/queries";

export type Role = Schemas["OperatorRole"];

export interface RightsValue {
  role: Role;
  /** Null for all sites. */
  sites: number[] | null;
}

/** Role and sites of an operator. */
export function Rights({ value, onChange }: { value: RightsValue; onChange: (value: RightsValue) => void }) {
  const sites = useSites();
  return (
    <Stack gap="md">
      <Select
        label="Role"
        data={["Admin", "Operator", "Viewer"]}
        allowDeselect={false}
        value={value.role}
        onChange={(role) => onChange({ ...value, role: (role ?? "Viewer") })}
      />
      <Radio.Group
        label="Sees"
        value={value.sites === null ? "all" : "some"}
        onChange={(which) => onChange({ ...value, sites: which === "all" ? null : [] })}
      >
        <Stack gap={6} mt={4}>
          <Radio value="all" label="All sites" />
          <Radio value="some" label="Some sites; nothing else exists for them" />
        </Stack>
      </Radio.Group>
      {value.sites === null ? null : (
        <MultiSelect
          label="Sites"
          searchable
          data={(sites.data ?? []).map((site) => ({ value: String(site.id), label: site.name }))}
          value={value.sites.map(String)}
          onChange={(chosen) => onChange({ ...value, sites: chosen.map(Number) })}
        />
      )}
    </Stack>
  );
}
