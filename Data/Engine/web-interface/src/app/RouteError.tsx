import { Button, Container } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link, useRouter } from "@tanstack/react-router";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { useTitle } from "@/ui/title";

/** A page that failed. The rest of the page goes on. */
export function RouteError({ error, reset }: { error: unknown; reset?: () => void }) {
  const router = useRouter();
  useTitle("Something went wrong");
  return (
    <Container size="sm" py="xl">
      <ErrorNote
        error={error}
        what="This page could not be shown"
        onRetry={() => {
          reset?.();
          void router.invalidate();
        }}
      />
    </Container>
  );
}

/** An address that leads nowhere. */
export function NotFound() {
  return (
    <Page title="Not found">
    <EmptyState
      icon={IconMapOff}
      title="There is nothing at this address"
      action={
        <Button component={Link} to="/" variant="default" mt="sm">
          To the overview
        </Button>
      }
    >
      The link may be old, or what it led to was deleted.
    </EmptyState>
    </Page>
  );
}
