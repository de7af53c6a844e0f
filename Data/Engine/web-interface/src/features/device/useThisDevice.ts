import { getRouteApi } from "@tanstack/react-router";
import { useDevice, type DeviceFull } from "@/features/devices/queries";

const route = getRouteApi("/shell/devices/$guid");

/** The device whose page this is; its page shows no tab before it is read. */
export function useThisDevice(): DeviceFull | undefined {
  const { guid } = route.useParams();
  return useDevice(guid).data;
}
