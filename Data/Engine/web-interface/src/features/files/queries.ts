import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";

export type FolderEntry = Schemas["FolderEntry"];
export type TransferRow = Schemas["TransferRow"];

const FOLDERS = "folders";
const TRANSFERS = "transfers";
const BUSY_MS = 1000;
const QUIET_MS = 5000;

export const foldersOf = (guid: string) => [FOLDERS, guid] as const;

/** What is in a folder of a device. */
export function useFolder(guid: string, path: string, user: string, enabled: boolean) {
  return useQuery({
    queryKey: [...foldersOf(guid), user, path],
    queryFn: () => take(api.GET("/api/files/{guid}", { params: { path: { guid }, query: { path, user } } })),
    retry: false,
    staleTime: 0,
    enabled,
  });
}

/** Files on their way to and from a device, whoever's they are. */
export function useTransfers(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: [TRANSFERS, guid],
    queryFn: async () => (await take(api.GET("/api/transfers", { params: { query: { device: guid } } }))).transfers,
    refetchInterval: (query) => (query.state.data?.length ? BUSY_MS : QUIET_MS),
    enabled,
  });
}

export async function endTransfer(id: string): Promise<void> {
  await take(api.DELETE("/api/transfers/{transfer_id}", { params: { path: { transfer_id: id } } }));
}

export async function makeFolder(guid: string, path: string, user: string): Promise<void> {
  await take(api.POST("/api/files/{guid}/folders", { params: { path: { guid } }, body: { path, user } }));
}

export async function removeEntry(guid: string, path: string, user: string): Promise<void> {
  await take(api.DELETE("/api/files/{guid}/content", { params: { path: { guid }, query: { path, user } } }));
}

/** Where the browser itself fetches a file from; it shows how far it is, and can pause and go on. */
export function contentUrl(guid: string, path: string, user: string): string {
  return `/api/files/${encodeURIComponent(guid)}/content?${new URLSearchParams({ path, user }).toString()}`;
}
