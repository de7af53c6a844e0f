import { Box, Button, Menu, ScrollArea, Text, VisuallyHidden } from "@mantine/core";
import {
  IconBookmark,
  IconCheck,
  IconColumns3,
  IconDeviceFloppy,
  IconLink,
  IconPencil,
  IconPlus,
  IconTrash,
  IconUsers,
  IconUsersMinus,
} from "@tabler/icons-react";
import { memo, useState } from "react";
import { useMay, useMe } from "@/app/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { told } from "@/ui/told";
import { isNarrowed, type DeviceSearch } from "./filter";
import { isChanged, opening, type Look, type Saved } from "./saved";
import { DeleteSaved, OverwriteSaved, RenameSaved, SaveAs, ShareSaved } from "./SavedDialogs";
import { useSaved } from "./useSaved";

/** A list that scrolls can be scrolled by keys too. */
const LIST = { role: "group", "aria-label": "Saved", tabIndex: 0 } as const;

type Asked = "save" | "overwrite" | "rename" | "share" | "delete" | null;

interface Props {
  search: DeviceSearch;
  look: Look;
  /** The one that the address names. */
  current: Saved | null;
  onOpen: (search: DeviceSearch) => void;
}

/** Filters and views that the Engine keeps, one's own and the shared ones; and the link to the list in use. */
export const SavedFilters = memo(function SavedFilters({ search, look, current, onOpen }: Props) {
  const [open, setOpen] = useState(false);
  const [asked, ask] = useState<Asked>(null);
  const me = useMe();
  const mayShare = useMay("devices.edit");
  const found = useSaved(open);
  const saved = (found.data ?? []).filter((one) => one.kind === "view" || !one.raw.archived || one === current);
  const mine = saved.filter((one) => !one.shared);
  const shared = saved.filter((one) => one.shared);
  const changed = current !== null && isChanged(current, search, look);
  const worthSaving = isNarrowed(search) || current?.kind === "view";

  const close = () => ask(null);
  const list = (items: readonly Saved[]) =>
    items.map((one) => <Entry key={`${one.kind} ${one.id}`} one={one} on={isSame(one, current)} onOpen={onOpen} />);

  return (
    <>
      <Menu
        position="bottom-end"
        width={300}
        opened={open}
        onChange={(next) => {
          setOpen(next);
          if (next && found.data) void found.refetch(); // others save and share meanwhile
        }}
      >
        <Menu.Target>
          <Button variant="default" maw={{ base: 210, xs: 300 }} leftSection={<IconBookmark size={16} aria-hidden />}>
            {current ? (
              <Text span size="sm" fw={600} truncate>
                <VisuallyHidden>Filters: </VisuallyHidden>
                {current.name}
                {changed ? (
                  <Text span size="sm" fw={400} c="dimmed">
                    {" · changed"}
                  </Text>
                ) : null}
              </Text>
            ) : (
              "Filters"
            )}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <ErrorNote error={found.error} what="What is saved could not be read" />
          <ScrollArea.Autosize mah={280} type="auto" viewportProps={LIST}>
            {mine.length > 0 ? <Menu.Label>Mine</Menu.Label> : null}
            {list(mine)}
            {shared.length > 0 ? <Menu.Label>Shared with everybody</Menu.Label> : null}
            {list(shared)}
          </ScrollArea.Autosize>
          {found.data && saved.length === 0 ? (
            <Text size="sm" c="dimmed" px={12} py={6}>
              Nothing saved yet. Narrow the list, then save it here under a name.
            </Text>
          ) : null}
          <Menu.Divider />
          {current?.editable ? (
            <>
              <Menu.Label>{current.kind === "view" ? "This view" : "This filter"}</Menu.Label>
              {changed ? (
                <Menu.Item leftSection={<IconDeviceFloppy size={16} aria-hidden />} onClick={() => ask("overwrite")}>
                  Save the changes…
                </Menu.Item>
              ) : null}
              <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={() => ask("rename")}>
                Rename…
              </Menu.Item>
              {mayShare && (!current.shared || current.owner === me?.username) ? (
                <Menu.Item
                  leftSection={
                    current.shared ? <IconUsersMinus size={16} aria-hidden /> : <IconUsers size={16} aria-hidden />
                  }
                  onClick={() => ask("share")}
                >
                  {current.shared ? "Stop sharing…" : "Share with everybody…"}
                </Menu.Item>
              ) : null}
              <Menu.Item c="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => ask("delete")}>
                Delete…
              </Menu.Item>
              <Menu.Divider />
            </>
          ) : null}
          <Menu.Item leftSection={<IconPlus size={16} aria-hidden />} onClick={() => ask("save")} disabled={!worthSaving}>
            Save as…
          </Menu.Item>
          <Menu.Item leftSection={<IconLink size={16} aria-hidden />} onClick={() => copyLink(current, changed)}>
            Copy the link to this list
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked === "save" ? (
        <SaveAs search={search} look={look} mayShare={mayShare} onClose={close} onSaved={(made) => onOpen(opening(made))} />
      ) : null}
      {current && asked === "overwrite" ? (
        <OverwriteSaved saved={current} search={search} look={look} onClose={close} />
      ) : null}
      {current && asked === "rename" ? <RenameSaved saved={current} onClose={close} /> : null}
      {current && asked === "share" ? <ShareSaved saved={current} onClose={close} /> : null}
      {current && asked === "delete" ? (
        <DeleteSaved saved={current} onClose={close} onDeleted={() => onOpen(withoutNames(search))} />
      ) : null}
    </>
  );
});

function isSame(one: Saved, other: Saved | null): boolean {
  return other !== null && one.kind === other.kind && one.id === other.id;
}

/** The list stays as it is; only its name is gone. */
function withoutNames(search: DeviceSearch): DeviceSearch {
  const others = { ...search };
  delete others.filter;
  delete others.view;
  return others;
}

/** What is open as it was saved has a short link, which goes along with later changes; else all that is chosen. */
function copyLink(current: Saved | null, changed: boolean): void {
  const link =
    current && !changed ? `${window.location.origin}/devices?${current.kind}=${current.id}` : window.location.href;
  const note = current && !current.shared ? " It opens for you alone until it is shared." : "";
  void navigator.clipboard.writeText(link).then(() => told(`The link to this list was copied.${changed ? "" : note}`));
}

function Entry({ one, on, onOpen }: { one: Saved; on: boolean; onOpen: (search: DeviceSearch) => void }) {
  return (
    <Menu.Item
      aria-current={on || undefined}
      leftSection={<IconCheck size={14} aria-hidden opacity={on ? 1 : 0} />}
      rightSection={one.kind === "view" ? <IconColumns3 size={14} role="img" aria-label="with columns and order" /> : null}
      onClick={() => onOpen(opening(one))}
    >
      <Box style={{ overflowWrap: "anywhere" }}>
        {one.name}
        {one.shared ? (
          <Text size="xs" c="dimmed">
            by {one.owner}
          </Text>
        ) : null}
      </Box>
    </Menu.Item>
  );
}
