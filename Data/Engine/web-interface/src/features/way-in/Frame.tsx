import { Box, Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTitle } from "@/ui/title";
import classes from "./Frame.module.css";

/** The frame of the pages before the sign-in. */
export function Frame({ title, about, children }: { title: string; about?: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <Box component="main" className={classes.page ?? ""}>
      <div className={classes.column}>
        <div className={classes.brand}>
          <img src="/borealis.svg" alt="" width={36} height={36} />
          <span>Borealis</span>
        </div>
        <Paper withBorder p={{ base: "md", xs: "xl" }}>
          <Title order={1} size="h3">
            {title}
          </Title>
          {about ? (
            <Text component="div" size="sm" c="dimmed" mt={4}>
              {about}
            </Text>
          ) : null}
          <Box mt="lg">{children}</Box>
        </Paper>
      </div>
    </Box>
  );
}
