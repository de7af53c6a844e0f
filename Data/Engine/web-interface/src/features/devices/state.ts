import type { Schemas } from "@/api/client";

export type Device = Schemas["DeviceView"];
export type DeviceState = "online" | "offline" | "quarantined" | "revoked";

export const STATES: readonly DeviceState[] = ["online", "offline", "quarantined", "revoked"];
export const STATE_WORDS: Record<DeviceState, string> = {
  online: "Online",
  offline: "Offline",
  quarantined: "Quarantined",
  revoked: "Revoked",
};

/** The one state that matters most about a device: what was decided about it, then whether it is there. */
export function deviceState(device: Pick<Device, "status" | "presence">): DeviceState {
  if (device.status === "revoked" || device.status === "quarantined") return device.status;
  return device.presence.online ? "online" : "offline";
}

export function stateWord(device: Pick<Device, "status" | "presence">): string {
  return STATE_WORDS[deviceState(device)];
}

/** Unix seconds; 0 for never. */
export function lastSeen(device: Pick<Device, "last_seen" | "presence">): number {
  return Math.max(device.last_seen, device.presence.last_seen);
}
