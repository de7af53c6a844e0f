"""Taking the port, before anything else is touched and before anything large is imported."""

import errno
import socket
from typing import Final

from borealis_engine.core.errors import Fatal
from borealis_engine.core.settings import EngineSettings

DEAD_PEER_MS: Final = 60_000
QUIET_PEER: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A peer that says nothing is asked whether it is there after so many seconds, so often. Streams have no heartbeat."""


def bind(settings: EngineSettings) -> list[socket.socket]:
    """Sockets that have the port and do not listen yet.

    Raises:
        Fatal: somebody else has it, or the address is not this machine's.
    """
    host, port = settings.host, settings.port
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            bound.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for name, value in QUIET_PEER.items():
                if hasattr(socket, name):
                    listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # A peer that takes nothing any more is given up, also where its window stays shut.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
            listener.bind(address)
    except OSError as error:
        for listener in bound:
            listener.close()
        raise _why_not(error, host, port) from error
    return bound


def _why_not(error: OSError, host: str, port: int) -> Fatal:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return Fatal("bad_setting", f"BOREALIS_ENGINE_HOST={host} is no address of this machine.")
    if error.errno == errno.EADDRINUSE:
        return Fatal(
            "port_in_use",
            f"Port {port} is in use by another program. Stop that one, or choose another port with "
            "BOREALIS_ENGINE_PORT.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Fatal(
            "port_not_allowed",
            f"This user may not listen on port {port}. Choose a port above 1023 with BOREALIS_ENGINE_PORT.",
        )
    return Fatal("cannot_listen", f"Cannot listen on {host} port {port}: {error.strerror}.")
