import { notifications } from "@mantine/notifications";
import { IconCheck } from "@tabler/icons-react";

/** Say that something was done. */
export function told(message: string): void {
  notifications.show({
    message,
    icon: <IconCheck size={16} aria-hidden />,
    color: "aurora",
    autoClose: 4000,
    closeButtonProps: { "aria-label": "Close this note" },
  });
}
