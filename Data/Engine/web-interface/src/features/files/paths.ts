/** Paths of a device, POSIX's or Windows', as the device tells them. Pure. */

function separator(path: string): string {
  return path.startsWith("/") || !path.includes("\\") ? "/" : "\\";
}

/** A name in a folder; a folder of no name is the account's home. */
export function below(folder: string, name: string): string {
  if (folder === "") return name;
  const between = separator(folder);
  return folder.endsWith(between) ? `${folder}${name}` : `${folder}${between}${name}`;
}

/** The folder that a path is in; of a root, itself. */
export function above(path: string): string {
  const between = separator(path);
  const parts = path.split(between).filter(Boolean);
  if (between === "\\") return parts.length <= 2 ? `${parts[0] ?? ""}\\` : parts.slice(0, -1).join(between);
  return `/${parts.slice(0, -1).join("/")}`;
}

export interface Crumb {
  name: string;
  path: string;
}

/** Every folder on the way to a path, and the path itself. */
export function crumbs(path: string): Crumb[] {
  const between = separator(path);
  const parts = path.split(between).filter(Boolean);
  const found: Crumb[] = between === "/" ? [{ name: "/", path: "/" }] : [];
  let way = between === "/" ? "/" : "";
  for (const [place, name] of parts.entries()) {
    way = between === "\\" && place === 0 ? `${name}\\` : below(way, name);
    found.push({ name, path: way });
  }
  return found;
}

/** What is looked at; in the address. */
export interface FilesSearch {
  path?: string;
  as?: string;
}

export function filesSearch(search: Record<string, unknown>): FilesSearch {
  const found: FilesSearch = {};
  for (const name of ["path", "as"] as const) {
    const value = search[name];
    if (typeof value === "string" && value !== "") found[name] = value.slice(0, 4096);
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}

/** Permission bits as people read them. */
export function modeText(mode: number): string {
  return [6, 3, 0]
    .map((shift) => (mode >> shift) & 7)
    .map((bits) => `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`)
    .join("");
}
