"""What agent and keeper of a desktop say to each other: one JSON object a packet, and with it at most one socket.

To the keeper: ``ask``, ``screen`` or ``own`` with what to start, once and first, as ``{"do": …}``; then ``carry`` with
the socket of a visitor. From the keeper: ``{"event": …}``: ``answer`` (to ``ask``), ``ready``, ``left`` (a visitor),
``failed``, ``ended``. The end of the channel, on either side, is the end of everything. Pure but for the socket.
"""

import json
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

MAX_PACKET: Final = 32 * 1024

ALLOWED: Final = "allowed"
DENIED: Final = "denied"
SILENT: Final = "silent"


def packet(**members: Any) -> bytes:
    """As it travels."""
    return json.dumps(members).encode("ascii")


def read(data: bytes) -> dict[str, Any]:
    """What arrived. Raises ``ValueError``."""
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("a packet is an object")
    return value


def start_of(
    do: str, *, environment: Mapping[str, str], account: Mapping[str, Any] | None, **members: Any
) -> dict[str, Any]:
    """The first packet. ``account``: whom to change to; None for nobody."""
    return {"do": do, "environment": dict(environment), "account": account, **members}


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a channel; what is sent in one piece arrives in one piece. Raises ``OSError``."""
    if sys.platform == "win32":
        raise OSError("there are no such sockets here")
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
