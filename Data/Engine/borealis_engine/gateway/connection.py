"""One WebSocket between the web server and Socket.IO: a guard on what comes in, and a way to cut it off.

Holds back a sender that is too fast by not reading on, so that its own network buffers fill (threats 20).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.gateway.budget import TokenBucket
from borealis_engine.gateway.frames import MAX_ATTACHED_HEAD, announces_bytes, is_accepted
from borealis_wire.limits import KIB, MIB

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSE_SECONDS: Final = 2.0
STALL_SECONDS: Final = 30.0
"""A write that does not get on for so long means that the other side reads no more."""
POLICY_VIOLATION: Final = 1008
SERVICE_RESTART: Final = 1012


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket may send: frames and bytes a second, saved up to the bursts, and the largest frame."""

    frames: float
    frames_burst: float
    bytes: float
    bytes_burst: float
    max_frame: int
    in_flight: int
    """Events that are worked on at the same time; reading pauses beyond."""


DEVICE_LIMITS: Final = Limits(400, 1200, 8 * MIB, 48 * MIB, 16 * MIB, 16)
# Each key that is typed into a shell is a frame, and so is each word that its echo has arrived.
OPERATOR_LIMITS: Final = Limits(400, 800, 256 * KIB, 1 * MIB, 64 * KIB, 4)


@dataclass(slots=True, eq=False)
class Connection:
    """An accepted WebSocket. ``receive`` and ``send`` are what Socket.IO is given in place of the server's own."""

    raw_receive: Receive
    raw_send: Send
    clock: Clock
    limits: Limits
    closed: bool = False
    """Nothing passes any more, in either direction. Set at once; :meth:`close` then cuts the line."""
    on_attached: Callable[[str, bytes], None] | None = None
    """Hears an event that came with bytes, its text first; None where nobody may send such."""
    sending_since: float | None = None
    in_flight: int = 0
    _frames: TokenBucket = field(init=False)
    _bytes: TokenBucket = field(init=False)
    _cut: bool = False
    _free: asyncio.Event | None = None
    _reader: "asyncio.Task[Any] | None" = None
    _writer: "asyncio.Task[Any] | None" = None

    def __post_init__(self) -> None:
        self._frames = TokenBucket(self.limits.frames, self.limits.frames_burst)
        self._bytes = TokenBucket(self.limits.bytes, self.limits.bytes_burst)

    async def receive(self) -> Message:
        """The next message that may pass; a frame that may not ends the connection."""
        self._reader = asyncio.current_task()
        try:
            message = _DISCONNECT if self.closed else await self.raw_receive()
            while self._is_head(message):
                message = await self._take_attached(str(message["text"]))
            if message["type"] != "websocket.receive":
                return message
            text = message.get("text")
            if not is_accepted(text) or len(text or "") > self.limits.max_frame:
                await self.close(POLICY_VIOLATION, "unexpected frame")
                return _DISCONNECT
            if not self.closed:
                await self._hold_back(len(text or ""))
            return _DISCONNECT if self.closed else message
        finally:
            self._reader = None

    async def send(self, message: Message) -> None:
        """Write one message; waits while the other side does not read."""
        if self.closed:
            return
        if message["type"] != "websocket.send":
            await self.raw_send(message)
            return
        self._writer, self.sending_since = asyncio.current_task(), self.clock.monotonic()
        try:
            await self.raw_send(message)
        finally:
            self._writer, self.sending_since = None, None

    async def close(self, code: int = POLICY_VIOLATION, reason: str = "", *, last: str = "") -> None:
        """Cut it off: nothing is read or written any more, whatever the other side does. Never raises.

        ``last``: one frame more, which is written before the end.
        """
        if self._cut:
            return
        self.closed = self._cut = True
        if self._writer is not None:
            self._writer.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                if last:
                    await self.raw_send({"type": "websocket.send", "text": last})
                await self.raw_send({"type": "websocket.close", "code": code, "reason": reason})
        if self._free is not None:
            self._free.set()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()

    def is_stuck(self, now: float) -> bool:
        """Whether a write has been waiting for too long, at monotonic second ``now``."""
        return self.sending_since is not None and now - self.sending_since > STALL_SECONDS

    def begin_event(self) -> None:
        """An event is being worked on; each needs its :meth:`end_event`."""
        self.in_flight += 1

    def end_event(self) -> None:
        """An event is done."""
        self.in_flight -= 1
        if self._free is not None and self.in_flight < self.limits.in_flight:
            self._free.set()

    def _is_head(self, message: Message) -> bool:
        text = message.get("text")
        return self.on_attached is not None and isinstance(text, str) and announces_bytes(text)

    async def _take_attached(self, head: str) -> Message:
        """Read the bytes that belong to ``head``, hand both on, and give the message after them.

        One attachment and no more is ever held here, before anybody looks at it.
        """
        message = _DISCONNECT if self.closed else await self.raw_receive()
        if message["type"] != "websocket.receive":
            return message
        data = message.get("bytes")
        if data is None or len(head) > MAX_ATTACHED_HEAD or len(data) > self.limits.max_frame:
            await self.close(POLICY_VIOLATION, "unexpected frame")
            return _DISCONNECT
        await self._hold_back(len(head) + len(data))
        if self.closed or self.on_attached is None:
            return _DISCONNECT
        self.on_attached(head, data)
        return await self.raw_receive()

    async def _hold_back(self, size: int) -> None:
        now = self.clock.monotonic()
        delay = max(self._frames.delay(1, now), self._bytes.delay(size, now))
        if delay > 0:
            await self.clock.sleep(delay)
        while self.in_flight >= self.limits.in_flight and not self.closed:
            if self._free is None:
                self._free = asyncio.Event()
            self._free.clear()
            await self._free.wait()


_DISCONNECT: Final[Message] = {"type": "websocket.disconnect", "code": 1000}
