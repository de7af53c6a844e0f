import "@mantine/core/styles.layer.css";
import "@mantine/notifications/styles.layer.css";
import "@mantine/spotlight/styles.layer.css";
import "./app/base.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider, type AsyncRouteComponent } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { whenSignedOut } from "./api/client";
import { spreadNonce, styleNonce } from "./app/nonce";
import { queryClient } from "./app/queries";
import { router } from "./app/router";
import { theme } from "./app/theme";

spreadNonce();
whenSignedOut(() => queryClient.setQueryData(["me"], null));

// The code of the page asked for comes while the Engine is asked who is signed in.
const [asked] = router.getMatchedRoutes(router.latestLocation.pathname);
for (const { options } of asked) void (options.component as AsyncRouteComponent<unknown> | undefined)?.preload?.();

const place = document.getElementById("root");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce} deduplicateInlineStyles>
        <QueryClientProvider client={queryClient}>
          <Notifications position="bottom-right" limit={4} transitionDuration={120} />
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
