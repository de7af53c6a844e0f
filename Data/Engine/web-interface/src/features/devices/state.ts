import type { Schemas } from "@/api/client";

export type Device = Schemas["DeviceView"];
/** `unconnected`: heard of within minutes, and no connection now. The Engine calls it online for five minutes still. */
export type DeviceState = "online" | "unconnected" | "offline" | "agentless" | "quarantined" | "revoked";

export const STATES: readonly DeviceState[] = ["online", "unconnected", "offline", "agentless", "quarantined", "revoked"];
export const STATE_WORDS: Record<DeviceState, string> = {
  online: "Online",
  unconnected: "Not connected",
  offline: "Offline",
  agentless: "No agent",
  quarantined: "Quarantined",
  revoked: "Revoked",
};

/** The one state that matters most about a device: what was decided about it, then whether it is there. */
export function deviceState(device: Pick<Device, "status" | "presence" | "has_agent">): DeviceState {
  if (device.status === "revoked" || device.status === "quarantined") return device.status;
  if (!device.has_agent) return "agentless"; // nothing there says whether it is
  if (!device.presence.online) return "offline";
  return isConnected(device) ? "online" : "unconnected";
}

/** Whether a script would reach it at once: an agent of it has a connection. */
export function isConnected(device: Pick<Device, "presence">): boolean {
  return device.presence.online && device.presence.contexts.length > 0;
}

/** Whether its agent is of another build than the one that is up to date; the Engine counts the same. */
export function isOutdated(device: Pick<Device, "status" | "agent_build_id">, build: string): boolean {
  const connects = device.status === "active" || device.status === "quarantined";
  return connects && build !== "" && device.agent_build_id !== "" && device.agent_build_id !== build;
}

export function stateWord(device: Pick<Device, "status" | "presence" | "has_agent">): string {
  return STATE_WORDS[deviceState(device)];
}

/** Unix seconds; 0 for never. */
export function lastSeen(device: Pick<Device, "last_seen" | "presence">): number {
  return Math.max(device.last_seen, device.presence.last_seen);
}
