import { ActionIcon, Box, CopyButton, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import classes from "./CopyValue.module.css";

interface Props {
  value: string;
  /** What is copied, for the button's name. */
  name: string;
  /** What is shown, where it is not the value. */
  shown?: string | undefined;
  /** In a box of its own, over several lines. */
  block?: boolean;
  plain?: boolean;
}

/** A value that is copied with one press. */
export function CopyValue({ value, name, shown, block = false, plain = false }: Props) {
  return (
    <Box component="span" className={classes.value ?? ""} mod={{ block }}>
      <Box component="span" className={classes.text ?? ""} mod={{ plain }}>
        {shown ?? value}
      </Box>
      <CopyButton value={value} timeout={1600}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : `Copy ${name}`}>
            <ActionIcon
              variant="subtle"
              color={copied ? "aurora" : "gray"}
              size="sm"
              aria-label={copied ? `${name} copied` : `Copy ${name}`}
              onClick={copy}
            >
              {copied ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Box>
  );
}
