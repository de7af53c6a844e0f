"""The connection as the process has it that carries out an order: lines, plain bytes, nothing asynchronous."""

import contextlib
import socket
import time
from typing import Any, Final

from borealis_wire.lines import BadLine, LineReader, write_line

STALL_SECONDS: Final = 120.0
"""A connection that takes or brings nothing for so long is given up."""
DRAIN_SECONDS: Final = 5.0
DRAIN_BYTES: Final = 64 * 1024


class Connection:
    """One connection. Raises ``OSError`` where it is over."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(STALL_SECONDS)
        self._lines = LineReader()
        self._rest = b""

    def tell(self, kind: str, **members: Any) -> None:
        """Send a line."""
        self.socket.sendall(write_line(kind, **members))

    def send(self, data: memoryview) -> None:
        """Send plain bytes."""
        self.socket.sendall(data)

    def receive_into(self, room: memoryview) -> int:
        """Plain bytes as they come."""
        count = self.socket.recv_into(room)
        if not count:
            raise ConnectionAbortedError("the other side closed the connection")
        return count

    def message(self) -> dict[str, Any]:
        """The next line. Raises ``BadLine`` too."""
        data = b""
        while True:
            for found in self._lines.feed(data):
                return found
            data = self.socket.recv(64 * 1024)
            if not data:
                raise ConnectionAbortedError("the other side closed the connection")

    def last_word(self, kind: str, **members: Any) -> None:
        """Send a line and take what the other side still sends, so that the line arrives. Never raises."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(DRAIN_SECONDS)
            self.tell(kind, **members)
            self.socket.shutdown(socket.SHUT_WR)
            until = time.monotonic() + DRAIN_SECONDS
            while self.socket.recv(DRAIN_BYTES) and time.monotonic() < until:
                pass

    def ends_with(self, kind: str) -> dict[str, Any]:
        """The next line, which has to be this one. Raises ``BadLine``, ``OSError``."""
        said = self.message()
        if said["type"] != kind:
            raise BadLine(f"{kind} was expected")
        return said
