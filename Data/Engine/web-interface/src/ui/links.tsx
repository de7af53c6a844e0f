import { Anchor, Paper, type AnchorProps, type PaperProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";

type Native = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps | keyof PaperProps>;
interface WithRef {
  ref?: Ref<HTMLAnchorElement>;
}

/** A link in text, to a place of this page. */
export const TextLink = createLink((props: Omit<AnchorProps, "href"> & Native & WithRef) => <Anchor {...props} />);

/** A card that leads somewhere. */
export const CardLink = createLink((props: PaperProps & Native & WithRef) => <Paper component="a" {...props} />);
