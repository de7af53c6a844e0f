/** A hex fingerprint in groups of four digits. */
export function groups(value: string): string[] {
  return value.replaceAll(/[^0-9a-zA-Z]/g, "").match(/.{1,4}/g) ?? [];
}
