"""Streams: plain bytes between an operator and a device, as the socket door carries them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from borealis_engine.lines.line import Line
from borealis_engine.lines.stays import Stay
from borealis_engine.operators.permissions import Principal

Waiting = Callable[[Mapping[str, Any]], None]
"""Hears ``{seconds, why}`` when a person is asked first."""


class Stream(Protocol):
    """Read by one task, written by one other."""

    told: Mapping[str, Any]
    """What the operator hears when it is open."""
    half_close: bool
    """Each direction may end by itself; else the end of one is the end of both."""

    @property
    def reason(self) -> str:
        """Why it is over, as a sentence; empty where it just ended."""

    async def read(self) -> bytes:
        """Bytes as they come; empty at the end. Raises ``OSError``."""

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the device takes no more. Raises ``OSError``."""

    def write_eof(self) -> None:
        """Nothing more is sent. Raises ``OSError``."""


class Streams(Protocol):
    """What is behind one address of the socket door."""

    def open(
        self, principal: Principal, token: str, *, host: str, address: str, waiting: Waiting
    ) -> AbstractAsyncContextManager[Stream]:
        """The stream that a ticket is for; it ends with the context.

        Args:
            principal: who came with the token.
            token: as issued.
            host: that the operator called the Engine by.
            address: of the operator.
            waiting: hears that a person is asked.

        Raises:
            EngineError: there is none, with the reason.
        """


class LineStream:
    """A line to a device as a stream, for as long as a stay lasts."""

    def __init__(
        self, line: Line, stay: Stay, *, told: Mapping[str, Any] | None = None, half_close: bool = False
    ) -> None:
        self._line = line
        self._stay = stay
        self.told = told if told is not None else {}
        self.half_close = half_close
        stay.on_over(line.cut)

    @property
    def reason(self) -> str:
        """As ``Stream``."""
        return self._stay.reason

    async def read(self) -> bytes:
        """As ``Stream``."""
        return await self._line.read_bytes()

    async def write(self, data: bytes) -> None:
        """As ``Stream``."""
        await self._line.write_bytes(data)

    def write_eof(self) -> None:
        """As ``Stream``."""
        self._line.write_eof()
