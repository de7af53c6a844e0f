/** Reading an inventory: it comes from devices of many kinds and ages, so that nothing in it is taken for granted. */

export type Part = Readonly<Record<string, unknown>>;

export function part(from: unknown, name: string): Part {
  const value = isPart(from) ? from[name] : undefined;
  return isPart(value) ? value : {};
}

export function parts(from: unknown, name: string): Part[] {
  const value = isPart(from) ? from[name] : undefined;
  return Array.isArray(value) ? value.filter(isPart) : [];
}

export function words(from: unknown, name: string): string[] {
  const value = isPart(from) ? from[name] : undefined;
  return Array.isArray(value) ? value.map(plain).filter(Boolean) : [];
}

export function text(from: unknown, name: string): string {
  return isPart(from) ? plain(from[name]) : "";
}

export function number(from: unknown, name: string): number | null {
  const value = isPart(from) ? from[name] : undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value))) return Number(value);
  return null;
}

export function isPart(value: unknown): value is Part {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Anything as a short text. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plain).filter(Boolean).join(", ");
  return JSON.stringify(value);
}
