import { useThisDevice } from "./useThisDevice";
import { RunList } from "@/features/run/RunList";

/** What was run on this device. */
export function ActivityTab() {
  const device = useThisDevice();
  return device ? <RunList device={device.guid} limit={50} /> : null;
}
