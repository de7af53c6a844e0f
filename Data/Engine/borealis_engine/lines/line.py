"""One connection to an entry of a device: opened under a sealed order, then messages or plain bytes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from borealis_base.clock import Clock
from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.lines.ports import Place
from borealis_wire.events import REFUSAL_ADVICE, RefusalCode
from borealis_wire.lines import BadLine, LineReader, write_line

CONNECT_SECONDS: Final = 30.0
"""The device's agent begins to listen when its tunnel is up, which takes a moment."""
ATTEMPT_SECONDS: Final = 2.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
ANSWER_SECONDS: Final = 15.0
MOST_WAIT_SECONDS: Final = 180.0
"""So long a device may ask for patience, in all: a person is asked there."""
READ_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class EntryName:
    """What an entry is called: ``word`` begins the error codes, ``thing`` is for sentences, ``role`` opens it.

    ``errors``: reasons of the device with an error code of their own, ``<word>_<reason>``, and of which kind it is.
    """

    word: str
    thing: str
    role: str
    errors: Mapping[str, type[EngineError]] = field(default_factory=dict)


class Line:
    """A connection. Made by :meth:`open`; read by one task at a time.

    Args:
        reader: as ``asyncio`` gives it, likewise ``writer``.
        name: of the entry.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: EntryName) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name
        self._lines = LineReader()
        self._waiting: list[dict[str, Any]] = []
        self._writing = asyncio.Lock()
        self.opened: Mapping[str, Any] = {}
        """What the device said to the order."""

    @classmethod
    async def open(
        cls,
        place: Place,
        envelope: Mapping[str, Any],
        clock: Clock,
        name: EntryName,
        *,
        asked_to_wait: Callable[[Mapping[str, Any]], None] = lambda said: None,
    ) -> Self:
        """Connect and show the order.

        Args:
            place: where.
            envelope: the sealed order.
            clock: for the pauses between attempts.
            name: of the entry.
            asked_to_wait: hears ``wait``, by which the device says that a person is asked, and for how long.

        Raises:
            Conflict: ``…_refused``, with the device's reason; ``…_gone`` where there is no such thing any more.
            Unavailable: ``…_connect_failed``.
        """
        reader, writer = await _connect(place, clock, name)
        line = cls(reader, writer, name)
        try:
            await line.write("open", envelope=envelope)
            said = await line._answer(asked_to_wait)
        except (OSError, TimeoutError, BadLine) as error:
            line.cut()
            raise _failed(name, "The device closed the connection, or did not answer.") from error
        except BaseException:
            line.cut()
            raise
        if said is None:
            line.cut()
            raise _failed(name, "The device closed the connection.")
        if said["type"] != "opened":
            line.cut()
            raise refused(said, name)
        line.opened = said
        return line

    async def _answer(self, asked_to_wait: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS) as limit:
            while (said := await self._first()) is not None and said["type"] == "wait":
                seconds = said.get("seconds")
                if isinstance(seconds, int) and 0 < seconds <= MOST_WAIT_SECONDS:
                    limit.reschedule(loop.time() + seconds + ANSWER_SECONDS)
                    asked_to_wait(said)
        return said

    async def _first(self) -> dict[str, Any] | None:
        """The next message, and nothing of what came behind it: that may be plain bytes."""
        data = b""
        while True:
            for message in self._lines.feed(data):
                return message
            if not (data := await self._reader.read(READ_BYTES)):
                return None

    async def read(self) -> dict[str, Any] | None:
        """The next message; None where the device closed the connection.

        Raises:
            OSError: the connection broke.
            BadLine: the device sent what is no line.
        """
        data = b""
        while not self._waiting:
            self._waiting = list(self._lines.feed(data))
            if not self._waiting and not (data := await self._reader.read(READ_BYTES)):
                return None
        return self._waiting.pop(0)

    def next_at_hand(self, kind: str) -> dict[str, Any] | None:
        """The next message if it is of this kind and has come already."""
        if self._waiting and self._waiting[0]["type"] == kind:
            return self._waiting.pop(0)
        return None

    async def read_bytes(self, size: int = READ_BYTES) -> bytes:
        """Plain bytes as they come, on an entry that has them; empty at the end. Raises ``OSError``."""
        if rest := self._lines.take_rest():
            return rest
        return await self._reader.read(size)

    async def write(self, kind: str, **members: Any) -> None:
        """Send a line; waits while the device takes no more. Raises ``OSError``."""
        await self.write_bytes(write_line(kind, **members))

    async def write_bytes(self, data: bytes) -> None:
        """Send bytes; waits while the device takes no more. Raises ``OSError``."""
        async with self._writing:
            self._check_open()
            self._writer.write(data)
            await self._writer.drain()

    def write_eof(self) -> None:
        """Nothing more is sent. Raises ``OSError``."""
        self._check_open()
        self._writer.write_eof()

    def _check_open(self) -> None:
        # A transport of uvloop's that was closed raises ``RuntimeError``, one of asyncio's nothing.
        if self._writer.is_closing():
            raise ConnectionResetError("the connection is closed")

    def cut(self) -> None:
        """Close the connection. Never waits."""
        self._writer.close()


def refused(said: Mapping[str, Any], name: EntryName) -> EngineError:
    """What a device's no means for the operator."""
    reason, detail = str(said.get("reason", ""))[:64], str(said.get("detail", ""))[:500]
    if reason in name.errors:
        return name.errors[reason](f"{name.word}_{reason}", detail or "The device said no.")
    if reason == "gone":
        return Conflict(f"{name.word}_gone", detail or f"This {name.thing} has ended.")
    if not detail and reason in set(RefusalCode):
        detail = REFUSAL_ADVICE[RefusalCode(reason)]
    return Conflict(f"{name.word}_refused", f"The device opened no {name.thing} ({reason}). {detail}".strip())


async def _connect(place: Place, clock: Clock, name: EntryName) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    until, pause = clock.monotonic() + CONNECT_SECONDS, FIRST_PAUSE
    while True:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                return await asyncio.open_connection(place.address, place.port, limit=2 * READ_BYTES)
        except (OSError, TimeoutError) as error:
            if place.ended.is_set():
                raise Conflict("tunnel_down", "The tunnel was closed meanwhile.") from error
            if clock.monotonic() >= until:
                detail = f"Nothing answers on port {place.port} of the device. Does the role {name.role} run there?"
                raise _failed(name, detail) from error
        await clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _failed(name: EntryName, detail: str) -> Unavailable:
    return Unavailable(f"{name.word}_connect_failed", detail)
