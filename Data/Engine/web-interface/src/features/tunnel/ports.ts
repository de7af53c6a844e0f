/** At most so many ports are on a device's list. */
export const MAX_PORTS = 64;

/** The ports of a text such as `3389, 47002`, in order and each once; a sentence where one of them is none. */
export function readPorts(text: string): number[] | string {
  const parts = text.split(/[\s,]+/u).filter((part) => part !== "");
  const wrong = parts.find((part) => !/^\d{1,5}$/u.test(part) || Number(part) < 1 || Number(part) > 65535);
  if (wrong !== undefined) return `“${wrong}” is no port: ports are numbers from 1 to 65535.`;
  const ports = [...new Set(parts.map(Number))].sort((one, other) => one - other);
  return ports.length > MAX_PORTS ? `There are at most ${MAX_PORTS} ports on the list.` : ports;
}
