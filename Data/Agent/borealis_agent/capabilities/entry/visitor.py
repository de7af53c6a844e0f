"""One connection to an entry: its lines, its plain bytes, and how it is closed."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

from borealis_wire.lines import MAX_LINE_BYTES, BadLine, LineReader, write_line

LAST_LINE_SECONDS: Final = 1.0


class Refusing(Exception):
    """This connection gets nothing. ``reason`` is a word for programs, the text a sentence for the operator."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Visitor:
    """One connection. Lines and plain bytes are read by one task at a time."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self.socket = connection
        self.peer = peer
        self.let_in = False
        """It showed an order that holds."""
        self.dropped = False
        self._task: asyncio.Task[Any] | None = None
        self._lines = LineReader()

    def begin(self) -> None:
        """The current task is the one that serves it: it is cancelled when the visitor is dropped."""
        self._task = asyncio.current_task()

    def drop(self) -> None:
        """Close the connection soon; never waits."""
        self.dropped = True
        if self._task is not None:
            self._task.cancel()

    async def receive(self, size: int = MAX_LINE_BYTES) -> bytes:
        """Bytes as they come. Raises ``OSError`` where the connection is over."""
        data = await asyncio.get_running_loop().sock_recv(self.socket, size)
        if not data:
            raise ConnectionAbortedError("the other side closed the connection")
        return data

    async def first_message(self) -> dict[str, Any]:
        """The first message, and nothing of what came behind it. Raises ``OSError``, ``BadLine``."""
        data = b""
        while True:
            for message in self._lines.feed(data):
                return message
            data = await self.receive()

    def messages_of(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that these bytes complete, with what came before. Raises ``BadLine``."""
        return self._lines.feed(data)

    def check_quiet(self) -> None:
        """Plain bytes begin when we have said so, and not before. Raises ``BadLine``."""
        if self._lines.take_rest():
            raise BadLine("something came before the answer")

    async def send(self, kind: str, /, **members: Any) -> None:
        """Send a line. Raises ``OSError``."""
        await self.send_all(write_line(kind, **members))

    async def send_all(self, data: bytes) -> None:
        """Send bytes; waits while the other side takes no more. Raises ``OSError``."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def last_line(self, kind: str, /, **members: Any) -> None:
        """Send a line if that is possible soon. Never raises."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_LINE_SECONDS):
                await self.send(kind, **members)
