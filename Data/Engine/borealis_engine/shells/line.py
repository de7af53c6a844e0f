"""One connection to a device's shell port: opened under a sealed order, read as messages, written as lines."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.shells.ports import Place
from borealis_wire import shell_lines
from borealis_wire.events import REFUSAL_ADVICE, RefusalCode
from borealis_wire.shell_lines import BadLine, LineReader

CONNECT_SECONDS: Final = 30.0
"""The device's agent begins to listen when its tunnel is up, which takes a moment."""
ATTEMPT_SECONDS: Final = 2.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
ANSWER_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 5.0
READ_BYTES: Final = 128 * 1024


class Line:
    """A connection. Made by :meth:`open`; read by one task at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lines = LineReader()
        self._waiting: list[dict[str, Any]] = []
        self._writing = asyncio.Lock()
        self.opened: Mapping[str, Any] = {}
        """What the device said to the order."""

    @classmethod
    async def open(cls, place: Place, envelope: Mapping[str, Any], clock: Clock) -> "Line":
        """Connect and show the order.

        Raises:
            Conflict: ``shell_refused``, with the device's reason; ``shell_gone`` where there is no such shell any more.
            Unavailable: ``shell_connect_failed``.
        """
        reader, writer = await _connect(place, clock)
        line = cls(reader, writer)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await line.write("open", envelope=envelope)
                said = await line.read()
        except (OSError, TimeoutError, BadLine) as error:
            line.cut()
            raise _failed("The device closed the connection, or did not answer.") from error
        except BaseException:
            line.cut()
            raise
        if said is None:
            line.cut()
            raise _failed("The device closed the connection.")
        if said["type"] != "opened":
            line.cut()
            raise refused(said)
        line.opened = said
        return line

    async def read(self) -> dict[str, Any] | None:
        """The next message; None where the device closed the connection.

        Raises:
            OSError: the connection broke.
            BadLine: the device sent what is no line.
        """
        while not self._waiting:
            data = await self._reader.read(READ_BYTES)
            if not data:
                return None
            self._waiting = list(self._lines.feed(data))
        return self._waiting.pop(0)

    def next_at_hand(self, kind: str) -> dict[str, Any] | None:
        """The next message if it is of this kind and has come already."""
        if self._waiting and self._waiting[0]["type"] == kind:
            return self._waiting.pop(0)
        return None

    async def write(self, kind: str, **members: Any) -> None:
        """Send a line; waits while the device takes no more. Raises ``OSError``."""
        await self._write(shell_lines.write_line(kind, **members))

    async def type(self, data: bytes) -> None:
        """Send what was typed. Raises ``OSError``."""
        for start in range(0, len(data), shell_lines.MAX_DATA_BYTES):
            piece = data[start : start + shell_lines.MAX_DATA_BYTES]
            await self._write(shell_lines.data_line("stdin", piece))

    async def end(self) -> None:
        """Tell the device that the shell is to end, and close. Never raises."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.write("close")
                self._writer.write_eof()
        self.cut()

    def cut(self) -> None:
        """Close; the shell lives on for a while."""
        self._writer.close()

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            self._writer.write(data)
            await self._writer.drain()


def refused(said: Mapping[str, Any]) -> EngineError:
    """What a device's no means for the operator."""
    reason, detail = str(said.get("reason", ""))[:64], str(said.get("detail", ""))[:500]
    if reason == "gone":
        return Conflict("shell_gone", detail or "This shell has ended.")
    if not detail and reason in set(RefusalCode):
        detail = REFUSAL_ADVICE[RefusalCode(reason)]
    return Conflict("shell_refused", f"The device opened no shell ({reason}). {detail}".strip())


async def _connect(place: Place, clock: Clock) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    until, pause = clock.monotonic() + CONNECT_SECONDS, FIRST_PAUSE
    while True:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                return await asyncio.open_connection(place.address, place.port, limit=2 * READ_BYTES)
        except (OSError, TimeoutError) as error:
            if place.ended.is_set():
                raise Conflict("tunnel_down", "The tunnel was closed meanwhile.") from error
            if clock.monotonic() >= until:
                detail = (
                    f"Nothing answers on port {place.port} of the device. Does the role RemotePowershell run there?"
                )
                raise _failed(detail) from error
        await clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _failed(detail: str) -> Unavailable:
    return Unavailable("shell_connect_failed", detail)
