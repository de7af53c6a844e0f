"""Tells systemd that we are ready, alive, and about to end: sd_notify(3), whose protocol is a datagram of lines.

Does nothing where nobody listens. Never raises: whoever watches over us must not be what ends us.
"""

import logging
import socket
import sys
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
ENDING: Final = "STOPPING=1"

log = logging.getLogger(__name__)


class ServiceManager:
    """Whoever started us, if it is systemd. ``environ`` holds ``NOTIFY_SOCKET`` then: a path, or ``@`` and a name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "") if sys.platform != "win32" else ""
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._troubled = False

    def tell(self, *lines: str) -> None:
        """Send these lines; at once or not at all."""
        if not self._address or sys.platform == "win32":
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._troubled:
                log.warning("the service manager cannot be told how we are: %s", error)
            self._troubled = True
        else:
            self._troubled = False
