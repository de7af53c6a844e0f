import { Button, Menu, type ButtonProps, type MenuItemProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";

type Native = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps | keyof MenuItemProps>;
interface WithRef {
  ref?: Ref<HTMLAnchorElement>;
}

/** A button that leads to a place of this page. */
export const ButtonLink = createLink((props: ButtonProps & Native & WithRef) => <Button component="a" {...props} />);

/** An entry of a menu that leads to a place of this page. */
export const MenuLink = createLink((props: MenuItemProps & Native & WithRef) => <Menu.Item component="a" {...props} />);
