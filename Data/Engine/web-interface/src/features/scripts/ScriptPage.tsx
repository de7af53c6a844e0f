import { Alert, Breadcrumbs, Button, Group, Menu, Modal, Select, Stack, Tabs, Text, Textarea, TextInput } from "@mantine/core";
import { IconChevronDown, IconDeviceFloppy, IconPlayerPlay } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useBlocker, useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { api, take } from "@/api/client";
import { ApiError } from "@/api/errors";
import { useMay, useMe } from "@/app/session";
import { TIMEOUTS } from "@/features/run/draft";
import { Confirm, ConfirmTyped } from "@/ui/Confirm";
import { download } from "@/ui/download";
import { ButtonLink } from "@/ui/ButtonLink";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page, Section } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { duration } from "@/ui/time";
import { told } from "@/ui/told";
import { CodeField, CodeView } from "./code/lazy";
import { FilesEditor } from "./FilesEditor";
import { documentOf, formOf, formProblem, NEW_FORM, type Form } from "./form";
import { SCRIPT_TYPES } from "./parts";
import { DOMAINS, domainWord, scriptKey, SCRIPTS, useLibraryFeed, useScript, useScripts, type Domain, type Script } from "./queries";
import { VariablesEditor } from "./VariablesEditor";
import { Versions } from "./Versions";

const route = getRouteApi("/shell/scripts/$guid");

function Where({ name }: { name: string }) {
  return (
    <Breadcrumbs mb={4} fz="sm" lh={1.5} aria-label="Where you are" styles={{ root: { flexWrap: "nowrap" }, breadcrumb: { lineHeight: 1.5 } }}>
      <TextLink to="/scripts" size="sm">
        Scripts
      </TextLink>
      <Text size="sm" c="dimmed" truncate maw={320}>
        {name}
      </Text>
    </Breadcrumbs>
  );
}

/** One script of the library: read, changed, its versions, run. `/scripts/new` is one that is not stored yet. */
export function ScriptPage() {
  const { guid } = route.useParams();
  const fresh = guid === "new";
  useLibraryFeed();
  const asked = useScript(fresh ? undefined : guid);
  if (fresh) return <Editor key="new" script={null} />;
  if (asked.data) return <Editor key={guid} script={asked.data} />;
  return (
    <>
      <Where name="…" />
      <Page title="Script">
        {asked.error instanceof ApiError && asked.error.status === 404 ? (
          <Gone guid={guid} />
        ) : (
          <ErrorNote error={asked.error} what="The script could not be read" onRetry={() => void asked.refetch()} />
        )}
        {asked.isPending ? <Loading /> : null}
      </Page>
    </>
  );
}

/** Deleted, with its versions; or never there. */
function Gone({ guid }: { guid: string }) {
  const deleted = useScripts(true);
  if (deleted.isPending) return <Loading />;
  const item = deleted.data?.find((one) => one.assembly_guid === guid);
  if (!item) {
    return (
      <EmptyState
        title="There is no such script"
        action={
          <ButtonLink to="/scripts" variant="default" mt="sm">
            To the library
          </ButtonLink>
        }
      />
    );
  }
  return (
    <Stack gap="lg">
      <Alert color="yellow" variant="light" title={`${item.display_name} was deleted`}>
        <TimeAgo at={item.deleted_at} />. Restore one of its versions to bring it back.
      </Alert>
      <Versions guid={guid} newest={item.version} type={item.assembly_type} editable={item.editable} deleted />
    </Stack>
  );
}

function Editor({ script }: { script: Script | null }) {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const me = useMe();
  const mayEdit = useMay("scripts.edit");
  const mayRun = useMay("runs.start");
  const [base, setBase] = useState(script);
  const [form, setForm] = useState<Form>(() => (script ? formOf(script) : NEW_FORM));
  const [domain, setDomain] = useState<Domain>("user");
  const [comment, setComment] = useState("");
  const [tried, setTried] = useState(false);
  const [dialog, setDialog] = useState<"delete" | "clone" | null>(null);
  const leaving = useRef(false);

  const original = useMemo(() => JSON.stringify(base ? formOf(base) : NEW_FORM), [base]);
  const dirty = JSON.stringify(form) !== original;
  const isScript = !base || base.assembly_kind !== "workflow";
  const editable = mayEdit && (base ? base.editable : true) && isScript;
  const problem = formProblem(form);
  // Somebody else, or a restore, made a newer version: it is shown at once where nothing was changed here.
  if (script && base && script.version !== base.version && !dirty) {
    setBase(script);
    setForm(formOf(script));
  }
  const behind = script !== null && base !== null && script.version > base.version;

  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && editable && !leaving.current && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty && editable && !leaving.current,
    withResolver: true,
  });

  const change = (part: Partial<Form>) => setForm((now) => ({ ...now, ...part }));
  const save = useMutation({
    mutationFn: async () => {
      const shared = { display_name: form.name.trim(), summary: form.summary, category: form.category.trim(), comment: comment.trim() };
      const payload = documentOf(form, base ? base.payload : {}) as Record<string, never>;
      if (base) {
        return take(
          api.PUT("/api/assemblies/{guid}", {
            params: { path: { guid: base.assembly_guid } },
            body: { ...shared, assembly_type: form.type, payload, expected_version: base.version, tags: null, metadata: null },
          }),
        );
      }
      return take(
        api.POST("/api/assemblies", {
          body: { ...shared, domain, assembly_kind: form.type === "ansible" ? "ansible" : "script", assembly_type: form.type, assembly_guid: "", payload, tags: {}, metadata: {} },
        }),
      );
    },
    onSuccess: async (saved) => {
      told(base ? `Saved as version ${saved.version}.` : "Stored in the library.");
      client.setQueryData(scriptKey(saved.assembly_guid), saved);
      void client.invalidateQueries({ queryKey: SCRIPTS });
      void client.invalidateQueries({ queryKey: [...scriptKey(saved.assembly_guid), "versions"] });
      setComment("");
      setTried(false);
      setBase(saved);
      setForm(formOf(saved));
      if (!base) {
        leaving.current = true;
        await navigate({ to: "/scripts/$guid", params: { guid: saved.assembly_guid }, replace: true });
      }
    },
  });
  const wish = () => {
    setTried(true);
    if (!problem && !save.isPending && editable && dirty) save.mutate();
  };
  const remove = useMutation({
    mutationFn: () =>
      take(api.DELETE("/api/assemblies/{guid}", { params: { path: { guid: base?.assembly_guid ?? "" }, query: { expected_version: base?.version ?? 1 } } })),
    onSuccess: async () => {
      leaving.current = true;
      told("Deleted. It is kept under “Deleted”, and can be brought back.");
      await navigate({ to: "/scripts" });
      void client.invalidateQueries({ queryKey: SCRIPTS });
      client.removeQueries({ queryKey: scriptKey(base?.assembly_guid ?? "") });
    },
  });
  const carry = useMutation({
    mutationFn: () => take(api.GET("/api/assemblies/{guid}/export", { params: { path: { guid: base?.assembly_guid ?? "" } } })),
    onSuccess: (document) =>
      download(`${document.display_name.replaceAll(/[^\w.-]+/g, "_") || "script"}.json`, `${JSON.stringify(document, null, 2)}\n`, "application/json"),
  });
  const conflict = save.error instanceof ApiError && save.error.code === "version_conflict";
  const takeTheirs = async () => {
    if (!base) return;
    await client.invalidateQueries({ queryKey: scriptKey(base.assembly_guid) });
    const theirs = await client.query({
      queryKey: scriptKey(base.assembly_guid),
      queryFn: () => take(api.GET("/api/assemblies/{guid}", { params: { path: { guid: base.assembly_guid } } })),
    });
    save.reset();
    setBase(theirs);
    setForm(formOf(theirs));
  };

  return (
    <>
      <Where name={base?.display_name ?? "New script"} />
      <Page
        title={base?.display_name ?? "New script"}
        about={
          base ? (
            <>
              {domainWord(base.domain)} · {base.assembly_type || base.assembly_kind} · version {base.version} · by {base.updated_by} ·{" "}
              <TimeAgo at={base.updated_at} />
              {editable ? "" : isScript ? " · you may read it" : ""}
            </>
          ) : (
            "It is stored with versions: what was saved stays."
          )
        }
        actions={
          <>
            {base && isScript && mayRun ? (
              <ButtonLink to="/run" search={{ script: base.assembly_guid }} variant="default" leftSection={<IconPlayerPlay size={16} aria-hidden />}>
                Run
              </ButtonLink>
            ) : null}
            {base ? (
              <Menu position="bottom-end" width={200}>
                <Menu.Target>
                  <Button variant="default" rightSection={<IconChevronDown size={16} aria-hidden />}>
                    More
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => carry.mutate()}>Export</Menu.Item>
                  {mayEdit ? <Menu.Item onClick={() => setDialog("clone")}>Copy…</Menu.Item> : null}
                  {base.editable && mayEdit ? (
                    <Menu.Item color="red" onClick={() => setDialog("delete")}>
                      Delete…
                    </Menu.Item>
                  ) : null}
                </Menu.Dropdown>
              </Menu>
            ) : null}
            {editable ? (
              <Button leftSection={<IconDeviceFloppy size={16} aria-hidden />} disabled={!dirty} loading={save.isPending} onClick={wish}>
                Save
              </Button>
            ) : null}
          </>
        }
      >
        {behind ? (
          <Alert color="yellow" variant="light">
            Version {script.version} was saved by {script.updated_by} meanwhile. What you write here is based on version {base.version}.
          </Alert>
        ) : null}
        {tried && problem ? (
          <Alert color="yellow" variant="light" role="alert">
            {problem}
          </Alert>
        ) : null}
        <ErrorNote error={save.error} what="It was not saved" />
        {conflict ? (
          <Button variant="default" w="fit-content" onClick={() => void takeTheirs()}>
            Drop what I wrote and show the newest
          </Button>
        ) : null}
        <ErrorNote error={carry.error} what="It could not be exported" />
        {base ? (
          <Tabs
            value={tab ?? "script"}
            keepMounted={false}
            onChange={(value) =>
              void navigate({ to: "/scripts/$guid", params: { guid: base.assembly_guid }, search: value === "versions" ? { tab: "versions" } : {}, resetScroll: false })
            }
          >
            <Tabs.List>
              <Tabs.Tab value="script">Script</Tabs.Tab>
              <Tabs.Tab value="versions">Versions</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="script" pt="md">
              {isScript ? (
                <Fields form={form} editable={editable} onChange={change} comment={comment} onComment={setComment} onSubmit={wish} stored />
              ) : (
                <Stack gap="sm">
                  <Text size="sm" c="dimmed">
                    A workflow: it is kept, exported and imported here. This Engine does not run it.
                  </Text>
                  <CodeView value={JSON.stringify(base.payload, null, 2)} type="json" label="The document" />
                </Stack>
              )}
            </Tabs.Panel>
            <Tabs.Panel value="versions" pt="md">
              <Versions guid={base.assembly_guid} newest={base.version} type={base.assembly_type} editable={mayEdit && base.editable} />
            </Tabs.Panel>
          </Tabs>
        ) : (
          <Stack gap="md">
            {me?.role === "Admin" ? (
              <Select label="Domain" w={200} allowDeselect={false} data={[...DOMAINS]} value={domain} onChange={(value) => setDomain(value ?? "user")} />
            ) : null}
            <Fields form={form} editable={editable} onChange={change} comment={comment} onComment={setComment} onSubmit={wish} stored={false} />
          </Stack>
        )}
      </Page>
      {base ? <Copy script={base} opened={dialog === "clone"} onClose={() => setDialog(null)} onMade={() => (leaving.current = true)} /> : null}
      {base ? (
        <ConfirmTyped
          opened={dialog === "delete"}
          onClose={() => {
            setDialog(null);
            remove.reset();
          }}
          title={`Delete ${base.display_name}?`}
          act="Delete"
          word={base.display_name}
          busy={remove.isPending}
          error={remove.error}
          onAct={() => remove.mutate()}
        >
          It leaves the library. Its versions are kept, and any of them can be brought back.
        </ConfirmTyped>
      ) : null}
      <Confirm
        opened={blocker.status === "blocked"}
        onClose={() => blocker.reset?.()}
        title="Leave without saving?"
        act="Leave"
        danger
        onAct={() => blocker.proceed?.()}
      >
        What you changed here is not saved yet.
      </Confirm>
    </>
  );
}

interface FieldsProps {
  form: Form;
  editable: boolean;
  stored: boolean;
  onChange: (part: Partial<Form>) => void;
  comment: string;
  onComment: (comment: string) => void;
  onSubmit: () => void;
}

function Fields({ form, editable, stored, onChange, comment, onComment, onSubmit }: FieldsProps) {
  const timeouts = TIMEOUTS.some((one) => one.value === String(form.timeout))
    ? [...TIMEOUTS]
    : [{ value: String(form.timeout), label: form.timeout === 0 ? "Never" : duration(form.timeout) }, ...TIMEOUTS];
  return (
    <Stack gap="lg">
      <Group gap="sm" align="flex-start">
        <TextInput label="Name" flex="2 1 240px" required maxLength={256} value={form.name} readOnly={!editable} onChange={(event) => onChange({ name: event.currentTarget.value })} />
        <TextInput label="Category" flex="1 1 140px" maxLength={128} value={form.category} readOnly={!editable} onChange={(event) => onChange({ category: event.currentTarget.value })} />
        <Select label="Type" w={140} allowDeselect={false} disabled={!editable} data={SCRIPT_TYPES.filter((one) => !stored || (one.value === "ansible") === (form.type === "ansible"))} value={form.type} onChange={(type) => onChange({ type: type ?? form.type })} />
        <Select label="End it after" w={140} allowDeselect={false} disabled={!editable} data={timeouts} value={String(form.timeout)} onChange={(value) => onChange({ timeout: Number(value ?? form.timeout) })} />
      </Group>
      <Textarea label="What it does" autosize minRows={1} maxRows={5} maxLength={8000} value={form.summary} readOnly={!editable} onChange={(event) => onChange({ summary: event.currentTarget.value })} />
      <Section title="Script">
        {editable ? (
          <CodeField value={form.script} type={form.type} label="The script" onChange={(script) => onChange({ script })} onSubmit={onSubmit} />
        ) : (
          <CodeView value={form.script} type={form.type} label="The script" />
        )}
      </Section>
      {editable || form.variables.length > 0 ? (
        <Section title="Variables">
          <Text size="sm" c="dimmed" mb="xs">
            Whoever runs it fills them in; the script finds them in its environment.
          </Text>
          <VariablesEditor declare variables={form.variables} disabled={!editable} onChange={(variables) => onChange({ variables })} />
        </Section>
      ) : null}
      {editable || form.files.length > 0 ? (
        <Section title="Files">
          <FilesEditor files={form.files} disabled={!editable} onChange={(files) => onChange({ files })} />
        </Section>
      ) : null}
      {editable ? (
        <TextInput
          label={stored ? "What changed" : "Remark"}
          description="Kept with the version"
          maxLength={1000}
          value={comment}
          onChange={(event) => onComment(event.currentTarget.value)}
        />
      ) : null}
    </Stack>
  );
}

function Copy({ script, opened, onClose, onMade }: { script: Script; opened: boolean; onClose: () => void; onMade: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const me = useMe();
  const [name, setName] = useState(`${script.display_name} (copy)`.slice(0, 256));
  const [domain, setDomain] = useState<Domain>("user");
  const copy = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/assemblies/{guid}/clone", {
          params: { path: { guid: script.assembly_guid } },
          body: { target_domain: domain, new_assembly_guid: "", display_name: name.trim() },
        }),
      ),
    onSuccess: async (made) => {
      onMade();
      onClose();
      told("Copied. This is the copy.");
      void client.invalidateQueries({ queryKey: SCRIPTS });
      await navigate({ to: "/scripts/$guid", params: { guid: made.assembly_guid } });
    },
  });
  return (
    <Modal opened={opened} onClose={onClose} title={`Copy ${script.display_name}`} centered closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) copy.mutate();
        }}
      >
        <Stack gap="md">
          <TextInput label="Name of the copy" required maxLength={256} value={name} data-autofocus onChange={(event) => setName(event.currentTarget.value)} />
          {me?.role === "Admin" ? (
            <Select label="Domain" allowDeselect={false} data={[...DOMAINS]} value={domain} onChange={(value) => setDomain(value ?? "user")} />
          ) : null}
          <ErrorNote error={copy.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={copy.isPending} disabled={!name.trim()}>
              Copy
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
