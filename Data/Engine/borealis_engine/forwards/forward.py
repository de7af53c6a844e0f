"""One forward, and each of its connections, as streams."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, Final

from borealis_engine.forwards.models import OpenForward
from borealis_engine.lines import EntryName, Line, Place, Stay

MOST_CONNECTIONS: Final = 200
"""Of one forward at a time; as many as a device carries."""
OPENING_AT_ONCE: Final = 16
FORWARD: Final = EntryName("forward", "connection", "PortForward")

_LINGER: Final = "hh" if sys.platform == "win32" else "ii"


class ForwardLine(Line):
    """A line to a target."""

    def break_when_closed(self, *, broken: bool) -> None:
        """Whether the device sees a break, or an end, when this is closed, or the Engine is killed."""
        given: Any = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):  # it may be closed already
            given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, broken, 0))

    def break_off(self) -> None:
        """Close the connection at once. Never waits."""
        self._writer.transport.abort()


class Forward:
    """An operator's forward to one target. It is over with its stay, and all its connections with it."""

    def __init__(self, stay: Stay, place: Place, host: str, port: int) -> None:
        self.stay = stay
        self.place = place
        self.host = host
        self.port = port
        self.opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self.streams: set[ConnectionStream] = set()
        self.busy = 0
        """Connections that are open or about to be."""
        self.opened = self.sent = self.received = 0
        stay.on_over(self._break_off)

    def row(self) -> OpenForward:
        """For operators."""
        return OpenForward(
            session_id=self.stay.stay_id,
            guid=self.stay.guid,
            hostname=self.stay.record.hostname,
            username=self.stay.principal.username,
            host=self.host,
            port=self.port,
            since=self.stay.since,
            connections=len(self.streams),
            opened=self.opened,
            sent=self.sent,
            received=self.received,
        )

    def summary(self) -> dict[str, Any]:
        """What goes on record with its end."""
        return {"connections": self.opened, "sent": self.sent, "received": self.received}

    def _break_off(self) -> None:
        for stream in list(self.streams):
            stream.break_off()


class ForwardStream:
    """A forward itself at the socket door: no bytes, open as long as the forward is."""

    half_close = False

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.told: Mapping[str, Any] = {"session_id": forward.stay.stay_id}

    @property
    def reason(self) -> str:
        """As ``lines.Stream``."""
        return self._forward.stay.reason

    async def read(self) -> bytes:
        """Waits for the end of the forward."""
        await self._forward.stay.over.wait()
        return b""

    async def write(self, data: bytes) -> None:
        """Nothing is sent here: each connection has a stream of its own."""

    def write_eof(self) -> None:
        """Likewise."""


class ConnectionStream:
    """One connection of a forward."""

    half_close = True

    def __init__(self, line: ForwardLine, forward: Forward) -> None:
        self._line = line
        self._forward = forward
        line.break_when_closed(broken=True)  # what is cut short must not look complete
        self._broken = self._heard_all = self._said_all = False
        self.told: Mapping[str, Any] = {"address": str(line.opened.get("address", ""))[:64]}

    @property
    def reason(self) -> str:
        """As ``lines.Stream``."""
        return self._forward.stay.reason

    async def read(self) -> bytes:
        """Bytes of the target. Raises ``OSError`` where it broke off; an end that is none would look complete."""
        data = await self._line.read_bytes()
        if not data:
            if self._broken:
                raise ConnectionAbortedError("the forward is over")
            self._heard_all = True
        self._forward.received += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Bytes for the target; waits while it takes no more."""
        await self._line.write_bytes(data)
        self._forward.sent += len(data)

    def write_eof(self) -> None:
        """The operator sends no more."""
        self._said_all = True
        self._line.write_eof()

    def break_off(self) -> None:
        """It is over for a reason of its own. Never waits."""
        self._broken = True
        self._line.break_off()

    def close(self) -> None:
        """Whole where both directions ended; broken off where not. Never waits."""
        if self._heard_all and self._said_all and not self._broken:
            self._line.break_when_closed(broken=False)
            self._line.cut()
        else:
            self.break_off()
