import { Alert, Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMay } from "@/app/session";
import { downloadBlob } from "@/ui/download";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { TextLink } from "@/ui/links";
import { Loading } from "@/ui/Loading";
import { Page } from "@/ui/Page";
import { TimeAgo } from "@/ui/TimeAgo";
import { readCast } from "./cast";
import { Player } from "./Player";
import { readRecording, RECORDINGS, useRecording } from "./queries";

const route = getRouteApi("/shell/recordings/$id");

/** One recorded shell, played. */
export function RecordingPage() {
  const { id } = route.useParams();
  const may = useMay("recordings.read");
  const about = useRecording(id);
  const file = useQuery({
    queryKey: [...RECORDINGS, "cast", id],
    queryFn: async () => {
      const text = await readRecording(id);
      return { text, cast: readCast(text) };
    },
    enabled: may,
    staleTime: Infinity,
    structuralSharing: false,
  });
  if (!may) {
    return (
      <Page title="Recording">
        <EmptyState title="You may not watch recordings">An Admin or an Operator may; your role is another.</EmptyState>
      </Page>
    );
  }
  const row = about.data;
  return (
    <Page
      title={row ? `Shell on ${row.hostname}` : "Recording"}
      about={
        row ? (
          <>
            {row.username}
            {row.account ? ` as ${row.account}` : ""}, <TimeAgo at={row.started_at} />
            {row.status === null ? "" : ` · ended with status ${row.status}`}
          </>
        ) : null
      }
      actions={
        <>
          {row ? (
            <TextLink to="/devices/$guid/shell" params={{ guid: row.guid }} size="sm">
              To the device
            </TextLink>
          ) : null}
          {file.data ? (
            <Button
              variant="default"
              leftSection={<IconDownload size={16} aria-hidden />}
              onClick={() => downloadBlob(`${row?.hostname ?? "shell"}.cast`, new Blob([file.data.text]))}
            >
              Download
            </Button>
          ) : null}
        </>
      }
    >
      <ErrorNote error={about.error ?? file.error} what="The recording could not be read" onRetry={() => void file.refetch()} />
      {row?.cut ? (
        <Alert color="yellow" variant="light">
          It is not complete: it reached the largest size that is kept, the disk was full, or the Engine was restarted.
        </Alert>
      ) : null}
      {file.isPending ? <Loading /> : null}
      {file.data && file.data.cast.events.length === 0 ? (
        <EmptyState title="Nothing was printed">The shell was closed before it said anything.</EmptyState>
      ) : null}
      {file.data && file.data.cast.events.length > 0 ? <Player cast={file.data.cast} /> : null}
    </Page>
  );
}
