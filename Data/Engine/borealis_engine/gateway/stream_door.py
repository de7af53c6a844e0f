"""Streams at the socket door: plain bytes between an operator and a device, each on a WebSocket of its own.

An operator who has a ticket comes with its token in the query: it is good once, for this operator, and worthless in a
log. Binary frames are the bytes. Text frames are words about the stream, as JSON: the Engine says ``wait`` ``{seconds,
why}`` while a person is asked, ``opened`` before the first byte, ``eof`` where the device sends no more, and ``closed``
``{error, detail}`` last; the operator says ``eof``. Nothing is dropped: whoever does not read makes the other wait.
Who wants nothing for a while says ``hold``, and later ``go``; who just does not read is given up after a time.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import parse_qs

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError, Forbidden, Invalid
from borealis_engine.core.log import get_logger
from borealis_engine.gateway.admission import OperatorIdentity
from borealis_engine.gateway.connection import POLICY_VIOLATION, STALL_SECONDS, Message, Receive, Send
from borealis_engine.gateway.handshake import called_host
from borealis_engine.lines import Stream, Streams, Waiting

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
SUBPROTOCOL: Final = "binary"
MAX_TOKEN: Final = 64
LAST_SECONDS: Final = 2.0
DONE_SECONDS: Final = 10.0

Opening = Callable[[Waiting], AbstractAsyncContextManager[Stream]]

log = get_logger("agents")


class StreamDoor:
    """Carries streams. ``streams``: what is behind each path."""

    def __init__(self, streams: Mapping[str, Streams]) -> None:
        self._streams = dict(streams)
        self._open: set[_Carrier] = set()
        self._done = asyncio.Event()

    def __contains__(self, path: object) -> bool:
        return path in self._streams

    def statistics(self) -> dict[str, int]:
        """How many are open, for debugging."""
        return {"streams": len(self._open)}

    async def serve(self, scope: Any, identity: object, receive: Receive, send: Send) -> None:
        """Serve a WebSocket that was not accepted yet, until it or its stream is over.

        Raises:
            EngineError: it is not to be accepted.
        """
        if not isinstance(identity, OperatorIdentity):
            raise Forbidden("forbidden", "Streams are for operators.")
        token = _token(scope)
        carrier = _Carrier(receive, send)
        self._open.add(carrier)
        try:
            await carrier.accept(scope)
            await carrier.carry(
                lambda waiting: self._streams[scope["path"]].open(
                    identity.principal, token, host=called_host(scope), address=identity.peer, waiting=waiting
                )
            )
        finally:
            self._open.discard(carrier)
            self._done.set()

    async def close(self) -> None:
        """End them all and wait until they have: what they hold is given back. For the end of the Engine."""
        for carrier in self._open:
            carrier.cut.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DONE_SECONDS):
                while self._open:
                    self._done.clear()
                    await self._done.wait()


class _Carrier:
    """One WebSocket and its stream."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._incoming: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._waits: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._is_open = False
        self._heard_all = asyncio.Event()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._gone = asyncio.Event()
        self._closing: tuple[str, str] = ("", "")
        self.cut = asyncio.Event()

    async def accept(self, scope: Any) -> None:
        """Say yes to the WebSocket."""
        offered = SUBPROTOCOL in scope.get("subprotocols", [])
        await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})

    async def carry(self, opening: Opening) -> None:
        """Open the stream, carry it, and say how it ended."""
        async with Supervisor() as tasks:
            # Read from the beginning: who goes away while a person is asked is not waited for.
            tasks.start("hear a stream's operator", self._hear())
            telling = tasks.start("tell of a wait", self._tell_waits())
            work = tasks.start("carry a stream", self._work(opening, telling))
            gone = tasks.start("wait for an operator to go", self._gone.wait())
            cut = tasks.start("wait for the end of the Engine", self.cut.wait())
            await asyncio.wait([work, gone, cut], return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and self._is_open:
                await asyncio.wait([work, cut], timeout=DONE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            work.cancel()
            await asyncio.wait([work])
        if not self._gone.is_set():
            await self._say_goodbye(*self._closing)

    async def _work(self, opening: Opening, telling: "asyncio.Task[None]") -> None:
        try:
            async with opening(self._waits.put_nowait) as stream:
                telling.cancel()
                self._is_open = True
                await self._say({"event": "opened", **stream.told})
                await self._pump(stream)
            self._closing = ("", stream.reason)
        except EngineError as no:
            self._closing = (no.code, no.detail)
        except (OSError, TimeoutError) as error:
            log.info("a stream broke", reason=str(error))

    async def _pump(self, stream: Stream) -> None:
        async with Supervisor() as tasks:
            there = tasks.start("carry to a device", _until_broken(self._to_device(stream)))
            back = tasks.start("carry from a device", _until_broken(self._from_device(stream)))
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)

    async def _to_device(self, stream: Stream) -> None:
        while (message := await self._incoming.get()) is not None:
            if data := message.get("bytes"):
                await stream.write(data)
            elif _event(message.get("text")) == "eof":
                stream.write_eof()
                self._heard_all.set()

    async def _from_device(self, stream: Stream) -> None:
        while data := await stream.read():
            await self._may_pass.wait()
            await self._pass(data)
        if stream.half_close:
            await self._say({"event": "eof"})
            await self._heard_all.wait()

    async def _hear(self) -> None:
        while (message := await self._receive())["type"] == "websocket.receive":
            event = _event(message.get("text"))
            if event == "hold":
                self._may_pass.clear()
            elif event == "go":
                self._may_pass.set()
            else:
                await self._incoming.put(message)
        self._gone.set()
        await self._incoming.put(None)

    async def _tell_waits(self) -> None:
        while True:
            told = await self._waits.get()
            await self._say({"event": "wait", "seconds": told.get("seconds"), "why": str(told.get("why", ""))[:500]})

    async def _pass(self, data: bytes) -> None:
        async with asyncio.timeout(STALL_SECONDS):
            await self._send({"type": "websocket.send", "bytes": data})

    async def _say(self, told: Mapping[str, Any]) -> None:
        async with asyncio.timeout(STALL_SECONDS):
            await self._send({"type": "websocket.send", "text": json.dumps(told)})

    async def _say_goodbye(self, error: str, detail: str) -> None:
        with contextlib.suppress(Exception):  # the operator may be gone at any point of this
            async with asyncio.timeout(LAST_SECONDS):
                await self._say({"event": "closed", "error": error, "detail": detail})
                code = POLICY_VIOLATION if error else GOING_AWAY if self.cut.is_set() else NORMAL
                await self._send({"type": "websocket.close", "code": code, "reason": error})


async def _until_broken(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        await work


def _token(scope: Any) -> str:
    query: bytes = scope.get("query_string", b"")
    found = parse_qs(query.decode("latin-1")).get("token", [])
    if len(found) != 1 or len(found[0]) > MAX_TOKEN:
        raise Invalid("invalid_session", "Come with the token that the session was given, as token=….")
    return found[0]


def _event(text: str | None) -> object:
    """What a text frame says; None for no text, and for what is no word about the stream."""
    try:
        said = json.loads(text or "null")
    except ValueError:
        return None
    return said.get("event") if isinstance(said, dict) else None
