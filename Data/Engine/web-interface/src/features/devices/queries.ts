import { queryOptions, useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { api, take, type Schemas } from "@/api/client";
import { told } from "@/ui/told";
import { put } from "./changes";
import type { Device } from "./state";

export const DEVICES = ["devices"] as const;
export const deviceKey = (guid: string) => ["device", guid.toUpperCase()] as const;

export type DeviceFull = Schemas["DeviceFull"];
export type DevicePatch = Schemas["DevicePatch"];

export const devicesQuery = queryOptions({
  queryKey: DEVICES,
  queryFn: async () => (await take(api.GET("/api/devices"))).devices,
  // Thousands of objects: comparing each with its predecessor would cost more than showing them.
  structuralSharing: false,
  staleTime: 60_000,
});

/** All devices that the operator may see. Kept up to date by the Engine's events (DeviceFeed). */
export function useDevices(enabled = true) {
  return useQuery({ ...devicesQuery, enabled });
}

export async function askDevice(guid: string): Promise<DeviceFull> {
  return take(api.GET("/api/devices/{guid}", { params: { path: { guid } } }));
}

export function useDevice(guid: string) {
  return useQuery({ queryKey: deviceKey(guid), queryFn: () => askDevice(guid), staleTime: 10_000 });
}

export type Deed = "quarantine" | "release" | "revoke";

export async function deed(guid: string, what: Deed): Promise<void> {
  const params = { params: { path: { guid } } };
  if (what === "quarantine") await take(api.POST("/api/devices/{guid}/quarantine", params));
  else if (what === "release") await take(api.POST("/api/devices/{guid}/release", params));
  else await take(api.POST("/api/devices/{guid}/revoke", params));
}

export async function changeDevice(guid: string, patch: DevicePatch): Promise<void> {
  await take(api.PATCH("/api/devices/{guid}", { params: { path: { guid } }, body: patch }));
}

export async function deleteDevice(guid: string): Promise<void> {
  await take(api.DELETE("/api/devices/{guid}", { params: { path: { guid } } }));
}

/** Show a device as it is now, in the list and on its page. */
export async function refreshDevice(client: QueryClient, guid: string): Promise<void> {
  const device = await askDevice(guid);
  client.setQueryData(deviceKey(guid), device);
  client.setQueryData<Device[]>(DEVICES, (devices) => devices && put(devices, device));
}

/** Do something to one device, say so, and show what became of it. */
export function useDeviceAct(guid: string, said: string, after?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (act: () => Promise<void>) => act(),
    onSuccess: async () => {
      told(said);
      after?.();
      await refreshDevice(client, guid);
    },
  });
}
