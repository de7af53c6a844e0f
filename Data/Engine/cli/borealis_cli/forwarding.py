"""Forwards in this process: local listeners, and each connection to them by a WebSocket of its own.

A forward is a WebSocket that stays open; each connection asks for a ticket and opens one beside it. A connection that
broke on the other side is broken here too: what was cut short must not look complete.
"""

import asyncio
import contextlib
import json
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from borealis_base.tasks import Supervisor
from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError, Refusal, Unreachable
from borealis_cli.streams import address_of, explained, options_of
from borealis_cli.text import clean

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_SECONDS: Final = 90.0
"""The tunnel has to come up first."""
RETURN_SECONDS: Final = 300.0
"""How long an Engine may be away: it may be restarting."""
RETURN_PAUSE: Final = 1.0
PING_SECONDS: Final = 15.0
"""So often the Engine is asked whether it is there, on what carries no bytes."""
PONG_SECONDS: Final = 30.0
PIECE: Final = 64 * 1024
HOLD_ABOVE: Final = 1024 * 1024
"""Bytes that wait for a local program that does not read, before the Engine is asked to hold the rest back."""
MOST_HELD: Final = 32 * 1024 * 1024
GOING_AWAY: Final = 1001
_PASSING: Final = frozenset({"not_connected", "tunnel_down", "tunnel_failed", "tunnel_unavailable"})
"""What is true for a while after an Engine or an agent was started again."""
_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_WANTED: Final = re.compile(
    r"(?:(?P<bind>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):)?(?P<port>\d{1,5}):"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):(?P<target>\d{1,5})"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where to listen (port 0: any that is free), and the target as the device understands it."""

    bind: str
    port: int
    host: str
    target: int


@dataclass(slots=True)
class Figures:
    """How much goes through all forwards of a command."""

    connections: int = 0
    opened: int = 0
    sent: int = 0
    received: int = 0
    ports: list[int] = field(default_factory=list)


def read_wanted(text: str) -> Wanted:
    """``[BIND:]PORT:HOST:PORT``; IPv6 addresses in brackets.

    Raises:
        CliError: it is no such text.
    """
    found = _WANTED.fullmatch(text)
    if found is None or not 0 < int(found["target"]) <= 65535 or int(found["port"]) > 65535:
        raise CliError(f"{clean(text)!r} is not [BIND:]PORT:HOST:PORT, such as 8080:127.0.0.1:80", USAGE)
    bind, host = (found[name] or "" for name in ("bind", "host"))
    return Wanted(bind.strip("[]") or "127.0.0.1", int(found["port"]), host.strip("[]"), int(found["target"]))


class LocalForward:
    """One local listener and its forward.

    Args:
        client: the Engine, as the operator.
        guid: of the device.
        wanted: from where to where.
        figures: counts what goes through.
        say: tells the operator something.
        on_open: hears where it listens, each time the forward is open.
    """

    def __init__(
        self,
        client: EngineClient,
        guid: str,
        wanted: Wanted,
        figures: Figures,
        *,
        say: Callable[[str], None],
        on_open: Callable[[Wanted, int], None],
    ) -> None:
        self._client = client
        self._guid = guid
        self._wanted = wanted
        self._figures = figures
        self._say = say
        self._on_open = on_open
        self._session = ""
        self._tasks = Supervisor()

    async def run(self) -> str:
        """Listen until the forward is over; gives the reason.

        Raises:
            CliError: it cannot listen, or the forward cannot be had, or the Engine is gone for good.
        """
        try:
            server = await asyncio.start_server(
                self._accept, self._wanted.bind, self._wanted.port, limit=PIECE, start_serving=False
            )
        except OSError as error:
            where = f"{clean(self._wanted.bind)} port {self._wanted.port}"
            raise CliError(f"{where} cannot be listened on: {error.strerror or error}.") from error
        async with Supervisor() as self._tasks, server:
            port = int(server.sockets[0].getsockname()[1])
            loop, lost_at, was_open = asyncio.get_running_loop(), None, False
            while True:
                try:
                    async with self._forward() as control:
                        lost_at, was_open = None, True
                        await server.start_serving()
                        self._on_open(self._wanted, port)
                        if (reason := await _ended(control)) is not None:
                            return reason
                except (Unreachable, Refusal) as error:
                    if not was_open or not self._passes(error):
                        raise
                finally:
                    self._session = ""
                self._tasks.cancel_all()  # they were of the forward that is over
                lost_at = lost_at or loop.time()
                if loop.time() - lost_at > RETURN_SECONDS:
                    raise Unreachable("The connection to the Engine was lost, and did not come back in time.")
                self._say("the connection to the Engine was lost; trying again")
                await asyncio.sleep(RETURN_PAUSE)

    def _passes(self, error: CliError) -> bool:
        """Whether what went wrong on the way back may be over in a moment."""
        if isinstance(error, Refusal):
            if error.http_status == 401:
                return self._client.renew()
            return error.http_status >= 500 or error.code in _PASSING
        return True

    @contextlib.asynccontextmanager
    async def _forward(self) -> "AsyncIterator[ClientConnection]":
        asked = {"device": self._guid, "host": self._wanted.host, "port": self._wanted.target}
        ticket = await asyncio.to_thread(self._client.post, "/api/forward/session", asked)
        async with _connected(self._client, ticket, ping=PING_SECONDS) as control:
            self._session = str((await _opened(control))["session_id"])
            yield control

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start("carry a connection", self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One local connection."""
        whole = False
        try:
            path = f"/api/forward/sessions/{segment(self._session or '-')}/connection"
            ticket = await asyncio.to_thread(self._client.post, path)
            async with _connected(self._client, ticket) as line:
                await _opened(line)
                self._figures.connections += 1
                self._figures.opened += 1
                try:
                    whole = await _Carried(line, reader, writer, self._figures).carry()
                finally:
                    self._figures.connections -= 1
        except CliError as error:
            self._say(error.sentence)
        finally:
            if whole:
                writer.close()
            else:
                _break_off(writer)


class _Carried:
    """One connection while it is carried."""

    def __init__(
        self, line: "ClientConnection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, figures: Figures
    ) -> None:
        self._line = line
        self._reader = reader
        self._writer = writer
        self._figures = figures
        self._said_all = self._heard_all = self._held = False

    async def carry(self) -> bool:
        """Both ways; True where both came to their ends."""
        self._writer.transport.set_write_buffer_limits(HOLD_ABOVE)
        async with Supervisor() as tasks:
            tasks.start("carry to the Engine", self._up())
            down = tasks.start("carry from the Engine", self._down(tasks))
            gone = tasks.start("wait for a local program to go", self._local_end())
            await asyncio.wait([down, gone], return_when=asyncio.FIRST_COMPLETED)
        return self._said_all and self._heard_all

    async def _up(self) -> None:
        from websockets.exceptions import WebSocketException

        with contextlib.suppress(OSError, WebSocketException):
            while data := await self._reader.read(PIECE):
                await self._line.send(data)
                self._figures.sent += len(data)
            await self._line.send(json.dumps({"event": "eof"}))
            self._said_all = True

    async def _down(self, tasks: Supervisor) -> None:
        from websockets.exceptions import WebSocketException

        with contextlib.suppress(OSError, WebSocketException):
            async for frame in self._line:
                if isinstance(frame, str):
                    event = _word(frame).get("event")
                    if event == "eof":
                        self._heard_all = True
                        self._writer.write_eof()
                    elif event == "closed":
                        return
                    continue
                self._writer.write(frame)
                self._figures.received += len(frame)
                waiting = self._writer.transport.get_write_buffer_size()
                if waiting > HOLD_ABOVE and not self._held:
                    self._held = True
                    tasks.start("hold back what a local program does not read", self._hold())
                if waiting > MOST_HELD:
                    await self._writer.drain()

    async def _hold(self) -> None:
        from websockets.exceptions import WebSocketException

        with contextlib.suppress(OSError, WebSocketException):
            await self._line.send(json.dumps({"event": "hold"}))
            await self._writer.drain()
            self._held = False
            await self._line.send(json.dumps({"event": "go"}))

    async def _local_end(self) -> None:
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def _connected(
    client: EngineClient, ticket: dict[str, Any], *, ping: float | None = None
) -> "AsyncIterator[ClientConnection]":
    """The WebSocket that a ticket is for; ``ping``: how often the Engine is asked whether it is there.

    Raises:
        Unreachable: the Engine does not open it.
    """
    from websockets.asyncio.client import connect

    with explained(client):
        line = await connect(
            address_of(client, ticket), **options_of(client), ping_interval=ping, ping_timeout=PONG_SECONDS
        )
    try:
        yield line
    finally:
        await line.close()


async def _opened(line: "ClientConnection") -> dict[str, Any]:
    """What is told of a stream when it is open.

    Raises:
        Refusal: it is not to be had.
        Unreachable: no answer came.
    """
    from websockets.exceptions import WebSocketException

    try:
        async with asyncio.timeout(OPEN_SECONDS):
            while True:
                told = _word(await line.recv())
                if told.get("event") == "opened":
                    return told
                if told.get("event") == "closed":
                    detail = clean(str(told.get("detail") or "The Engine said no."))
                    raise Refusal(409, str(told.get("error") or ""), detail)
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Unreachable("The connection to the Engine was lost, or it does not answer.") from error


async def _ended(control: "ClientConnection") -> str | None:
    """Wait for the end of a forward: the reason; None where the connection was lost, or the Engine ends."""
    from websockets.exceptions import WebSocketException

    told: dict[str, Any] = {}
    with contextlib.suppress(OSError, WebSocketException):
        async for frame in control:
            told = _word(frame)
    if told.get("event") != "closed" or control.close_code == GOING_AWAY:
        return None
    return clean(str(told.get("detail") or "The forward is over."))


def _word(frame: str | bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        told = json.loads(frame) if isinstance(frame, str) else None
        if isinstance(told, dict):
            return told
    return {}


def _break_off(writer: asyncio.StreamWriter) -> None:
    given: Any = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()
