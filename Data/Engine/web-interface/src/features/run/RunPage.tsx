import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useScript, useVersion } from "@/features/scripts/queries";
import { readFiles, readVariables, valueText, type Variable } from "@/features/scripts/parts";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { Composer, keptDraft, type Stored } from "./Composer";
import { draftOfJob, EMPTY, type Draft } from "./draft";
import { addressOf } from "./link";
import { useJob, useJobContent, type Run } from "./queries";
import { isFailed } from "./states";

const route = getRouteApi("/shell/run");

/** Compose and start a run: anew, from a script of the library, or as an earlier job. */
export function RunPage() {
  const { script, version, again } = route.useSearch();
  if (again) return <FromJob key={again} job={again} />;
  if (script) return <FromScript key={`${script} ${version ?? ""}`} guid={script} version={version} />;
  return <Composer key="new" first={keptDraft() ?? EMPTY} stored={null} keep />;
}

function Waiting({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <Page title="Run a script">
      {error ? <ErrorNote error={error} what="What is to be run could not be read" onRetry={retry} /> : <Loading />}
    </Page>
  );
}

interface Document {
  script?: unknown;
  variables?: unknown;
  files?: unknown;
  timeout_seconds?: unknown;
}

function draftOfDocument(document: Document, name: string, type: string): Draft {
  return {
    ...EMPTY,
    name,
    type,
    script: valueText(document.script),
    variables: readVariables(document.variables),
    files: readFiles(document.files),
    timeout: typeof document.timeout_seconds === "number" ? document.timeout_seconds : EMPTY.timeout,
  };
}

function FromScript({ guid, version }: { guid: string; version: string | undefined }) {
  const wanted = version && /^\d{1,9}$/.test(version) ? Number(version) : undefined;
  const newest = useScript(guid);
  const old = useVersion(guid, wanted);
  const error = newest.error ?? old.error;
  if (!newest.data || (wanted !== undefined && !old.data)) {
    return <Waiting error={error} retry={() => void Promise.all([newest.refetch(), wanted === undefined ? null : old.refetch()])} />;
  }
  const found = old.data ?? newest.data;
  const stored: Stored = { guid, version: found.version, name: found.display_name, newest: newest.data.version };
  return <Composer first={draftOfDocument(found.payload, found.display_name, found.assembly_type)} stored={stored} />;
}

/** The values of a job in the variables that its script declares. */
function filled(declared: readonly Variable[], given: readonly Variable[]): Variable[] {
  const values = new Map(given.map((one) => [one.name, one]));
  const names = new Set(declared.map((one) => one.name));
  return [
    ...declared.map((one) => ({ ...one, value: values.get(one.name)?.value ?? one.value })),
    ...given.filter((one) => !names.has(one.name)),
  ];
}

function targetsOfJob(runs: readonly Run[], on: string | undefined): string[] {
  return runs.filter((run) => on !== "failed" || isFailed(run.status)).map((run) => run.guid);
}

function FromJob({ job: id }: { job: string }) {
  const { on, devices, sites, all } = route.useSearch();
  const navigate = useNavigate();
  const job = useJob(id);
  const content = useJobContent(id);
  const library = job.data?.job.assembly_guid ?? undefined;
  const version = useVersion(library, job.data?.job.assembly_version ?? undefined);
  const settled = useRef(false);

  // The devices of the job become the choice, once; after that it is the reader's.
  const runs = job.data?.runs;
  const none = !devices && !sites && !all;
  useEffect(() => {
    if (settled.current || !runs) return;
    settled.current = true;
    if (none) {
      const guids = targetsOfJob(runs, on);
      if (guids.length > 0) {
        void navigate({ to: "/run", search: { again: id, ...(on ? { on } : {}), devices: addressOf(guids) }, replace: true, resetScroll: false });
      }
    }
  }, [runs, none, on, id, navigate]);

  if (!job.data || !content.data || (library !== undefined && version.isPending && version.fetchStatus !== "idle")) {
    return <Waiting error={job.error ?? content.error} retry={() => void Promise.all([job.refetch(), content.refetch()])} />;
  }
  const draft = draftOfJob(job.data.job, content.data, job.data.runs[0]?.run_as_user ?? "");
  if (library === undefined || !version.data) return <Composer first={draft} stored={null} />;
  const { data } = version;
  const declared = readVariables((data.payload as Document).variables);
  const stored: Stored = { guid: library, version: data.version, name: data.display_name, newest: data.version };
  return <Composer first={{ ...draft, variables: filled(declared, draft.variables) }} stored={stored} />;
}
