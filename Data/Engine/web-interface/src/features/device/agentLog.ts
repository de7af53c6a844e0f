import { api, take, type Schemas } from "@/api/client";
import { PageError } from "@/api/errors";

/** The end of a log of an agent, as its device read it. */
export interface AgentLog {
  name: string;
  files: readonly { name: string; size: number }[];
  lines: readonly string[];
  /** There is more before these lines. */
  cut: boolean;
}

// Read by a signed script like any other: it needs the same right, and stands in the activity of the device.
const READ = `import json, os, pathlib
folder = pathlib.Path(os.environ["BOREALIS_AGENT_LOGS"])
found = sorted(p for p in folder.iterdir() if ".log" in p.name and p.is_file() and not p.is_symlink())
names = [p.name for p in found]
wanted = os.environ["BOREALIS_LOG"]
name = wanted if wanted in names else names[0] if names else ""
text, cut = "", False
if name:
    with (folder / name).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        cut = size > 200_000
        file.seek(max(0, size - 200_000))
        text = file.read().decode("utf-8", "replace")
lines = text.splitlines()[1 if cut else 0:][-2000:]
print(json.dumps({"name": name, "files": [{"name": p.name, "size": p.stat().st_size} for p in found], "lines": lines, "cut": cut}))
`;

/** Asks a connected device for the end of one of its agent's logs. Throws what the device said where it cannot. */
export async function readAgentLog(guid: string, name: string): Promise<AgentLog> {
  const body = {
    guids: [guid],
    script_content: READ,
    script_type: "python",
    script_name: `Agent log ${name}`,
    environment: { BOREALIS_LOG: name },
    timeout_seconds: 20,
    expires_in_seconds: 60,
  } as unknown as Schemas["LaunchRequest"];
  const started = await take(api.POST("/api/scripts/quick_run", { params: { query: { wait: 25 } }, body }));
  const run = started.runs[0];
  if (run?.status !== "Success") throw new PageError("log_not_read", run?.stderr || run?.reason || "The device did not answer in time.");
  return parseAgentLog(run.stdout);
}

/** What the script printed. Throws where it is something else. */
export function parseAgentLog(printed: string): AgentLog {
  const read = JSON.parse(printed) as Partial<AgentLog>;
  if (typeof read.name !== "string" || !Array.isArray(read.files) || !Array.isArray(read.lines)) {
    throw new PageError("log_not_read", "The device answered with something that is no log.");
  }
  return { name: read.name, files: read.files, lines: read.lines, cut: read.cut === true };
}
