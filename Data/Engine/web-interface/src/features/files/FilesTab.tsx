import { ActionIcon, Alert, Button, FileButton, Group, Stack, Switch, Text, TextInput } from "@mantine/core";
import { IconDownload, IconFile, IconFolder, IconFolderPlus, IconHome, IconLink, IconTrash, IconUpload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useDeferredValue, useEffect, useMemo, useState } from "react";
import { useMay } from "@/app/session";
import { useThisDevice } from "@/features/device/useThisDevice";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { SearchBox } from "@/ui/SearchBox";
import { TimeAgo } from "@/ui/TimeAgo";
import { DataTable, type Column } from "@/ui/table/DataTable";
import type { Sort } from "@/ui/table/rows";
import { bytes } from "@/ui/time";
import classes from "./Files.module.css";
import { FileDialogs, type FileDialog } from "./FileDialogs";
import { above, below, crumbs, modeText } from "./paths";
import { contentUrl, foldersOf, useFolder, type FolderEntry } from "./queries";
import { Transfers } from "./Transfers";
import { upload, whenLanded } from "./uploads";
import { useDrop } from "./useDrop";

const route = getRouteApi("/shell/devices/$guid/files");
const keyOf = (one: FolderEntry) => one.name;

/** Files of this device: its folders, what goes there and what comes from there. */
export function FilesTab() {
  const device = useThisDevice();
  const may = useMay("files");
  if (!device) return null;
  if (!may) {
    return <EmptyState title="You may not see files">An Admin or an Operator may; your role is another.</EmptyState>;
  }
  return <Files key={device.guid} guid={device.guid} active={device.status === "active"} />;
}

function Files({ guid, active }: { guid: string; active: boolean }) {
  const { path = "", as: user = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const folder = useFolder(guid, path, user, active);
  const [account, setAccount] = useState(user);
  const [typed, setTyped] = useState<string | null>(null);
  const [query, setQuery] = useState("");
  const [hidden, setHidden] = useState(false);
  const [sort, setSort] = useState<Sort>({ id: "name", desc: false });
  const [dialog, setDialog] = useState<FileDialog | null>(null);
  const [folders, setFolders] = useState(false);

  const here = folder.data?.path ?? path;
  const go = (to: string, as = user) => {
    setTyped(null);
    setQuery("");
    void navigate({ search: { ...(to ? { path: to } : {}), ...(as ? { as } : {}) } });
  };
  const refresh = () => void client.invalidateQueries({ queryKey: foldersOf(guid) });
  const bring = (files: File[], withFolders = false) => {
    setFolders(withFolders);
    for (const file of files) upload({ guid, path: below(here, file.name), user }, file);
  };
  const drop = useDrop(active && folder.data !== undefined, bring);

  useEffect(
    () =>
      whenLanded((place) => {
        if (place.guid === guid) void client.invalidateQueries({ queryKey: foldersOf(guid) });
      }),
    [client, guid],
  );

  const words = useDeferredValue(query).toLowerCase();
  const entries = folder.data?.entries;
  const shown = useMemo(
    () => (entries ?? []).filter((one) => (hidden || !one.name.startsWith(".")) && one.name.toLowerCase().includes(words)),
    [entries, hidden, words],
  );
  const columns = useMemo(() => columnsFor(guid, here, user, setDialog), [guid, here, user]);

  const open = (one: FolderEntry) => {
    if (one.odd) return;
    if (one.kind === "folder") go(below(here, one.name));
    else if (one.kind === "file") fetchFile(contentUrl(guid, below(here, one.name), user), one.name);
  };

  return (
    <Stack gap="sm">
      <Group gap="xs" align="flex-end">
        <TextInput
          label="As"
          placeholder="the agent's account"
          w={190}
          maxLength={256}
          value={account}
          onChange={(event) => setAccount(event.currentTarget.value)}
          onBlur={() => account.trim() !== user && go("", account.trim())}
          onKeyDown={(event) => {
            if (event.key === "Enter") go("", account.trim());
          }}
        />
        <TextInput
          label="Folder"
          style={{ flex: "1 1 260px" }}
          maxLength={4096}
          value={typed ?? here}
          onChange={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") go(event.currentTarget.value);
          }}
        />
        <FileButton multiple onChange={(files) => bring(files)}>
          {(props) => (
            <Button {...props} disabled={!active || !folder.data} leftSection={<IconUpload size={16} aria-hidden />}>
              Upload
            </Button>
          )}
        </FileButton>
        <Button
          variant="default"
          disabled={!folder.data}
          leftSection={<IconFolderPlus size={16} aria-hidden />}
          onClick={() => setDialog({ kind: "folder", path: here })}
        >
          New folder
        </Button>
      </Group>
      {folders ? (
        <Alert color="yellow" variant="light" title="Folders were left out" withCloseButton onClose={() => setFolders(false)} closeButtonLabel="Close this note">
          A page brings files. <code>borealis cp -r</code> brings folders.
        </Alert>
      ) : null}
      <Transfers guid={guid} />
      <ErrorNote error={folder.error} what="The folder could not be read" onRetry={() => void folder.refetch()} />
      <div className={classes.drop} data-over={drop.over || undefined} {...drop.handlers}>
        <Group gap="xs" justify="space-between">
          <nav aria-label="Folders on the way" className={classes.crumbs}>
            <ActionIcon variant="subtle" aria-label="The account's home" onClick={() => go("")}>
              <IconHome size={16} aria-hidden />
            </ActionIcon>
            {folder.data
              ? crumbs(here).map((one, place, all) => (
                  <Button
                    key={one.path}
                    size="compact-sm"
                    variant="subtle"
                    aria-current={place === all.length - 1 ? "page" : undefined}
                    onClick={() => go(one.path)}
                  >
                    {one.name}
                  </Button>
                ))
              : null}
          </nav>
          <Group gap="sm">
            <Switch label="Hidden ones" checked={hidden} onChange={(event) => setHidden(event.currentTarget.checked)} />
            <SearchBox label="Search this folder" value={query} onChange={setQuery} />
          </Group>
        </Group>
        {folder.isPending && active ? <Loading /> : null}
        {folder.data ? (
          <>
            <Text size="sm" c="dimmed" role="status">
              {shown.length === 1 ? "1 entry" : `${shown.length.toLocaleString()} entries`} · as {folder.data.user}
              {folder.data.left_out > 0 ? ` · ${folder.data.left_out.toLocaleString()} more are not shown` : ""}
              {drop.over ? " · let go to bring the files here" : ""}
            </Text>
            <DataTable
              label="Files"
              name="files"
              rows={shown}
              columns={columns}
              rowKey={keyOf}
              sort={sort}
              onSort={setSort}
              onOpen={open}
              card={(one) => <Card one={one} />}
              cardHeight={56}
              token={`${here}|${words}|${hidden}`}
              empty={
                <EmptyState title={words ? "Nothing is called that" : "Nothing is in this folder"}>
                  Drop files here to bring them to the device.
                </EmptyState>
              }
            />
          </>
        ) : null}
      </div>
      <FileDialogs
        guid={guid}
        user={user}
        dialog={dialog}
        onClose={() => setDialog(null)}
        onDone={() => {
          setDialog(null);
          refresh();
        }}
      />
      {here !== "/" && folder.error && path ? (
        <Group>
          <Button variant="default" onClick={() => go(above(path))}>
            To the folder above
          </Button>
        </Group>
      ) : null}
    </Stack>
  );
}

/** The browser fetches it: it shows how far it is, and can pause and go on. */
function fetchFile(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

function Shape({ one }: { one: FolderEntry }) {
  if (one.kind === "folder") return <IconFolder size={18} aria-label="Folder" role="img" />;
  return <IconFile size={18} aria-hidden opacity={one.kind === "file" ? 1 : 0.5} />;
}

function Card({ one }: { one: FolderEntry }) {
  return (
    <div className={classes.name}>
      <Shape one={one} />
      <div style={{ minWidth: 0 }}>
        <Text size="sm" fw={550} truncate>
          {one.name}
        </Text>
        <Text size="xs" c="dimmed" truncate>
          {[one.kind === "file" ? bytes(one.size) : "", one.owner].filter(Boolean).join(" · ")}
        </Text>
      </div>
    </div>
  );
}

function columnsFor(
  guid: string,
  here: string,
  user: string,
  setDialog: (dialog: FileDialog) => void,
): readonly Column<FolderEntry>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: 240,
      grow: true,
      always: true,
      // Folders come first.
      sort: (one) => `${one.kind === "folder" ? "0" : "1"}${one.name}`,
      cell: (one) => (
        <span className={classes.name}>
          <Shape one={one} />
          <Text size="sm" truncate span>
            {one.name}
          </Text>
          {one.link ? <IconLink size={14} aria-label="a link" role="img" /> : null}
        </span>
      ),
    },
    { id: "size", header: "Size", width: 100, align: "right", descFirst: true, sort: (one) => (one.kind === "file" ? one.size : null), cell: (one) => (one.kind === "file" ? bytes(one.size) : "") },
    { id: "modified", header: "Changed", width: 130, descFirst: true, sort: (one) => one.modified, cell: (one) => <TimeAgo at={one.modified} /> },
    { id: "owner", header: "Owner", width: 110, sort: (one) => one.owner, cell: (one) => one.owner },
    { id: "mode", header: "Rights", width: 110, cell: (one) => <Text size="xs" ff="monospace" span>{modeText(one.mode)}</Text> },
    {
      id: "act",
      header: "",
      width: 84,
      always: true,
      cell: (one) =>
        one.odd ? null : (
          <Group gap={2} wrap="nowrap">
            {one.kind === "file" ? (
              <ActionIcon component="a" variant="subtle" size="md" href={contentUrl(guid, below(here, one.name), user)} download={one.name} aria-label={`Download ${one.name}`}>
                <IconDownload size={16} aria-hidden />
              </ActionIcon>
            ) : null}
            <ActionIcon variant="subtle" size="md" color="red" aria-label={`Remove ${one.name}`} onClick={() => setDialog({ kind: "remove", path: below(here, one.name) })}>
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ),
    },
  ];
}
