import { Button, Group, NumberInput, Select, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useSites } from "@/features/sites/queries";
import { ErrorNote } from "@/ui/ErrorNote";
import { CODES, type NewCode } from "./queries";

const EXPIRIES = [
  { value: "3600", label: "1 hour" },
  { value: "10800", label: "3 hours" },
  { value: "21600", label: "6 hours" },
  { value: "43200", label: "12 hours" },
  { value: "86400", label: "1 day" },
];

/** Makes an enrolment token: for a site, for so long, for so many devices. */
export function MakeToken({ onMade }: { onMade: (made: NewCode) => void }) {
  const client = useQueryClient();
  const sites = useSites();
  const [site, setSite] = useState<string | null>(null);
  const [expiry, setExpiry] = useState("3600");
  const [uses, setUses] = useState<number>(2);
  const make = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/admin/enrollment-codes", {
          body: {
            allowed_uses: null,
            expires_in_seconds: Number(expiry),
            max_uses: uses,
            site: "",
            site_id: site === null || site === "none" ? null : Number(site),
            ttl_hours: null,
          },
        }),
      ),
    onSuccess: async (code) => {
      onMade(code);
      await client.invalidateQueries({ queryKey: CODES });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate();
      }}
    >
      <Stack gap="sm">
        <Group gap="sm" align="flex-end">
          <Select
            label="Into the site"
            w={{ base: "100%", xs: 220 }}
            data={[
              { value: "none", label: "No site" },
              ...(sites.data ?? []).map((one) => ({ value: String(one.id), label: one.name })),
            ]}
            value={site ?? "none"}
            allowDeselect={false}
            onChange={setSite}
          />
          <Select
            label="Good for"
            w={120}
            data={EXPIRIES}
            value={expiry}
            allowDeselect={false}
            onChange={(value) => setExpiry(value ?? "3600")}
          />
          <NumberInput
            label="Devices"
            w={100}
            min={1}
            max={1000}
            allowDecimal={false}
            value={uses}
            onChange={(value) => setUses(typeof value === "number" ? value : 1)}
          />
          <Button type="submit" loading={make.isPending}>
            Make a token
          </Button>
        </Group>
        <ErrorNote error={make.error} what="No token was made" />
      </Stack>
    </form>
  );
}
