"""Carries bytes between a visitor and what serves a desktop, holding no more than a little of them. In the keeper."""

import contextlib
import select
import socket
import sys
from typing import Final

from borealis_agent.capabilities.desktop.watching import NotKnown, ViewOnly

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

PIECE: Final = 256 * 1024
MAX_HELD: Final = 512 * 1024
"""Bytes that wait for one side before nothing more is taken from the other."""


class _Way:
    """One direction."""

    def __init__(self, come: socket.socket, go: socket.socket, watch: ViewOnly | None = None) -> None:
        self._from, self._to, self._watch = come, go, watch
        self._held = bytearray()
        self.over = False

    def wanted(self, poll: dict[int, int]) -> None:
        """Add what is waited for."""
        if len(self._held) < MAX_HELD:
            poll[self._from.fileno()] = poll.get(self._from.fileno(), 0) | select.POLLIN
        if self._held:
            poll[self._to.fileno()] = poll.get(self._to.fileno(), 0) | select.POLLOUT

    def step(self, ready: dict[int, int]) -> None:
        """Carry what can be carried."""
        come = ready.get(self._from.fileno(), 0)
        if come & (select.POLLIN | select.POLLHUP | select.POLLERR) and len(self._held) < MAX_HELD:
            try:
                data = self._from.recv(PIECE)
            except (BlockingIOError, InterruptedError):
                data = None
            except OSError:
                data = b""
            if data == b"":
                self.over = True
            elif data:
                self._take(data)
        if self._held:
            self._give()

    def _take(self, data: bytes) -> None:
        try:
            self._held += data if self._watch is None else self._watch.pass_on(data)
        except NotKnown:
            self.over = True

    def _give(self) -> None:
        try:
            count = self._to.send(self._held)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.over = True
            return
        del self._held[:count]


class Pump:
    """One visitor at one desktop. Owns both sockets."""

    def __init__(self, visitor: socket.socket, server: socket.socket, *, view_only: bool) -> None:
        self._visitor, self._server = visitor, server
        for one in (visitor, server):
            one.setblocking(False)
        self._ways = (_Way(visitor, server, ViewOnly() if view_only else None), _Way(server, visitor))

    def wanted(self) -> dict[int, int]:
        """What to wait for, by descriptor."""
        poll: dict[int, int] = {}
        for way in self._ways:
            way.wanted(poll)
        return poll

    def step(self, ready: dict[int, int]) -> bool:
        """Carry what can be carried; False once one side is gone."""
        for way in self._ways:
            way.step(ready)
        return not any(way.over for way in self._ways)

    def close(self) -> None:
        """Close both sides."""
        for one in (self._visitor, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
