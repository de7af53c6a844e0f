/** What the audit log is narrowed to; in the address. */
export interface AuditSearch {
  actor?: string;
  target?: string;
  action?: string;
}

export function auditSearch(search: Record<string, unknown>): AuditSearch {
  const found: AuditSearch = {};
  for (const name of ["actor", "target", "action"] as const) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}
