import { useQuery } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";

export type RecordingRow = Schemas["RecordingRow"];
export type OpenShell = Schemas["OpenShell"];

export const RECORDINGS = ["recordings"] as const;

/** Recordings of shells on one device, newest first. */
export function useRecordings(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: [...RECORDINGS, guid.toUpperCase()],
    queryFn: () => take(api.GET("/api/recordings", { params: { query: { device: guid, limit: 100 } } })),
    enabled,
  });
}

export function useRecording(id: string, enabled = true) {
  return useQuery({
    queryKey: [...RECORDINGS, "one", id],
    queryFn: () => take(api.GET("/api/recordings/{recording_id}", { params: { path: { recording_id: id } } })),
    enabled,
  });
}

export async function readRecording(id: string): Promise<string> {
  return take(
    api.GET("/api/recordings/{recording_id}/cast", { params: { path: { recording_id: id } }, parseAs: "text" }),
  );
}

export async function deleteRecording(id: string): Promise<void> {
  await take(api.DELETE("/api/recordings/{recording_id}", { params: { path: { recording_id: id } } }));
}

/** Shells that somebody has open on one device. */
export function useOpenShells(guid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["shells", guid.toUpperCase()],
    queryFn: async () => (await take(api.GET("/api/shells", { params: { query: { device: guid } } }))).shells,
    refetchInterval: 5000,
    enabled,
  });
}

export async function endShell(id: string): Promise<void> {
  await take(api.DELETE("/api/shells/{session_id}", { params: { path: { session_id: id } } }));
}
