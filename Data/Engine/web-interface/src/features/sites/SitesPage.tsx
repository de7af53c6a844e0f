import { Button, Group, TextInput } from "@mantine/core";
import { IconBuilding, IconPlus } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "@/api/client";
import { useMay } from "@/app/session";
import { PolicySection } from "@/features/desktop/PolicySection";
import { DEVICES } from "@/features/devices/queries";
import { TextLink } from "@/ui/links";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { SimpleTable } from "@/ui/SimpleTable";
import { TimeAgo } from "@/ui/TimeAgo";
import { told } from "@/ui/told";
import { SITES, useSites, type Site } from "./queries";

type Dialog = { what: "new" } | { what: "edit" | "delete"; site: Site } | null;

/** Where devices are, and who may see them. */
export function SitesPage() {
  const asked = useSites();
  const may = useMay("sites.edit");
  const [dialog, setDialog] = useState<Dialog>(null);
  const sites = asked.data ?? [];
  return (
    <Page
      title="Sites"
      about="Devices are grouped by site; operators can be limited to some."
      actions={
        may ? (
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setDialog({ what: "new" })}>
            New site
          </Button>
        ) : null
      }
    >
      <ErrorNote error={asked.error} what="The sites could not be read" onRetry={() => void asked.refetch()} />
      {asked.isPending ? <Loading /> : null}
      {asked.data && sites.length === 0 ? (
        <EmptyState title="No sites yet" icon={IconBuilding}>
          Make one for each place or customer; then tokens and operators can be limited to it.
        </EmptyState>
      ) : null}
      {sites.length > 0 ? (
        <SimpleTable
          label="Sites"
          head={["Site", "Description", "Devices", "Made", ""]}
          rows={sites.map((site) => ({
            key: String(site.id),
            cells: [
              <TextLink key="name" to="/devices" search={{ site: String(site.id) }} size="sm" fw={550}>
                {site.name}
              </TextLink>,
              site.description,
              site.device_count.toLocaleString(),
              <TimeAgo key="made" at={site.created_at} />,
              may ? (
                <Group key="acts" gap={4} justify="flex-end" wrap="nowrap">
                  <Button size="compact-xs" variant="subtle" color="gray" aria-label={`Change ${site.name}`} onClick={() => setDialog({ what: "edit", site })}>
                    Change
                  </Button>
                  <Button size="compact-xs" variant="subtle" color="red" aria-label={`Delete ${site.name}`} onClick={() => setDialog({ what: "delete", site })}>
                    Delete
                  </Button>
                </Group>
              ) : null,
            ],
          }))}
        />
      ) : null}
      {asked.data ? <PolicySection sites={sites} /> : null}
      {dialog?.what === "new" ? <EditSite onClose={() => setDialog(null)} /> : null}
      {dialog?.what === "edit" ? <EditSite site={dialog.site} onClose={() => setDialog(null)} /> : null}
      {dialog?.what === "delete" ? <DeleteSite site={dialog.site} onClose={() => setDialog(null)} /> : null}
    </Page>
  );
}

function EditSite({ site, onClose }: { site?: Site; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(site?.name ?? "");
  const [description, setDescription] = useState(site?.description ?? "");
  const save = useMutation({
    mutationFn: async () => {
      const body = { name: name.trim(), description: description.trim() };
      if (site) await take(api.PATCH("/api/sites/{site_id}", { params: { path: { site_id: site.id } }, body }));
      else await take(api.POST("/api/sites", { body }));
    },
    onSuccess: async () => {
      told(site ? "The site was changed." : `The site ${name.trim()} was made.`);
      onClose();
      await client.invalidateQueries({ queryKey: SITES });
      if (site) await client.invalidateQueries({ queryKey: DEVICES });
    },
  });
  return (
    <Confirm
      opened
      onClose={onClose}
      title={site ? `Change ${site.name}` : "New site"}
      act={site ? "Save" : "Make the site"}
      ready={name.trim() !== ""}
      busy={save.isPending}
      error={save.error}
      onAct={() => save.mutate()}
    >
      <TextInput label="Name" data-autofocus value={name} maxLength={100} onChange={(event) => setName(event.currentTarget.value)} />
      <TextInput
        mt="sm"
        label="Description"
        value={description}
        maxLength={1000}
        onChange={(event) => setDescription(event.currentTarget.value)}
      />
    </Confirm>
  );
}

function DeleteSite({ site, onClose }: { site: Site; onClose: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/sites/{site_id}", { params: { path: { site_id: site.id } } })),
    onSuccess: async () => {
      told(`The site ${site.name} was deleted.`);
      onClose();
      await client.invalidateQueries({ queryKey: SITES });
      await client.invalidateQueries({ queryKey: DEVICES });
    },
  });
  return (
    <ConfirmTyped
      opened
      onClose={onClose}
      title={`Delete ${site.name}?`}
      act="Delete"
      word={site.name}
      busy={remove.isPending}
      error={remove.error}
      onAct={() => remove.mutate()}
    >
      {site.device_count === 0
        ? "No device is in it."
        : `Its ${site.device_count === 1 ? "device" : `${site.device_count.toLocaleString()} devices`} stay, without a site: operators who are limited to sites see them no more.`}
    </ConfirmTyped>
  );
}
