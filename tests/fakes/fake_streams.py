"""Streams of no device: what comes is kept, what a test puts there goes out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from borealis_engine.core.errors import EngineError
from borealis_engine.lines import Waiting
from borealis_engine.operators.permissions import Principal

STREAM_PATH = "/api/test/stream"


class FakeStream:
    """Implements ``lines.Stream``; ``None`` in ``outgoing`` is the device's end."""

    def __init__(self, *, half_close: bool) -> None:
        self.told: Mapping[str, Any] = {"width": 800}
        self.half_close = half_close
        self.reason = ""
        self.came = b""
        self.no_more = False
        self.ended = False
        self.outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.open_for_writing = asyncio.Event()
        self.open_for_writing.set()

    async def read(self) -> bytes:
        """What the test put there."""
        return await self.outgoing.get() or b""

    async def write(self, data: bytes) -> None:
        """Kept, when the test lets it."""
        await self.open_for_writing.wait()
        self.came += data

    def write_eof(self) -> None:
        """Noted."""
        self.no_more = True


class FakeStreams:
    """Implements ``lines.Streams``."""

    def __init__(self) -> None:
        self.half_close = False
        self.asked: list[tuple[str, str, str]] = []
        self.opened: list[FakeStream] = []
        self.refusal: EngineError | None = None
        self.waits: list[Mapping[str, Any]] = []
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.given_up = False

    @contextlib.asynccontextmanager
    async def open(
        self, principal: Principal, token: str, *, host: str, address: str, waiting: Waiting
    ) -> AsyncIterator[FakeStream]:
        """A stream, as soon as the test lets it."""
        self.asked.append((principal.username, token, address))
        for told in self.waits:
            waiting(told)
        try:
            await self.may_open.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise
        if self.refusal is not None:
            raise self.refusal
        stream = FakeStream(half_close=self.half_close)
        self.opened.append(stream)
        try:
            yield stream
        finally:
            stream.ended = True
