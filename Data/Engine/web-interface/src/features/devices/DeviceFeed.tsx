import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Batch } from "@/live/batch";
import { live } from "@/live/socket";
import { applyChanges, type DeviceChange } from "./changes";
import { deviceKey, DEVICES, refreshDevice, type DeviceFull } from "./queries";
import type { Device } from "./state";

/** Hundreds of changes a second are shown a few times a second, so that typing stays smooth. */
const EVERY_MS = 400;
/** More unknown devices than this, and the list is asked for as a whole. */
const FEW = 12;

function deliver(client: QueryClient, changes: DeviceChange[]): void {
  const known = client.getQueryData<Device[]>(DEVICES);
  const ask = new Set<string>();
  if (known) {
    const applied = applyChanges(known, changes);
    client.setQueryData(DEVICES, applied.devices);
    for (const guid of applied.ask) ask.add(guid);
  }
  for (const change of changes) {
    // The device's own page, where it was opened.
    const key = deviceKey(change.guid);
    const device = client.getQueryData<DeviceFull>(key);
    if (!device) continue;
    if (change.change === "deleted") void client.invalidateQueries({ queryKey: key });
    else {
      const [changed] = applyChanges([device], [change]).devices;
      if (changed) client.setQueryData(key, { ...device, ...changed });
      if (client.getQueryCache().find({ queryKey: key })?.isActive()) ask.add(change.guid);
    }
  }
  if (ask.size > FEW) {
    void client.invalidateQueries({ queryKey: DEVICES });
    void client.invalidateQueries({ queryKey: ["device"] });
    return;
  }
  for (const guid of ask) refreshDevice(client, guid).catch(() => undefined); // gone meanwhile, or asked again later
}

/** Listens to what happens to devices, for all pages. Shows nothing. */
export function DeviceFeed() {
  const client = useQueryClient();
  useEffect(() => {
    const batch = new Batch<DeviceChange>(EVERY_MS, (changes) => deliver(client, changes));
    const off = live.on("device_changed", (change: DeviceChange) => batch.add(change));
    return () => {
      off();
      batch.stop();
    };
  }, [client]);
  return null;
}
