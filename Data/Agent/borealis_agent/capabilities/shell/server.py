"""The port of the shell: listens on the tunnel's address alone, and lets in who brings an order that holds."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from borealis_agent.capabilities.shell.sessions import Refusing, Shell, Shells
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire import shell_lines
from borealis_wire.refusal import Refused
from borealis_wire.shell import ShellOrder
from borealis_wire.shell_lines import BadLine, LineReader

FIRST_LINE_SECONDS: Final = 10.0
MAX_STRANGERS: Final = 8
"""Connections that have not shown an order yet; further ones are closed at once."""
BIND_SECONDS: Final = 0.2
SOON_SECONDS: Final = 15.0
"""So long the tunnel is expected at every moment, then now and then."""
LOOK_SECONDS: Final = 2.0
SEND_BUFFER: Final = 64 * 1024
PIECE: Final = 8 * 1024
"""Bytes of output in one line: small enough that a key's echo never waits long behind a flood."""


class Visitor:
    """One connection, from its first line to its end."""

    def __init__(self, server: "ShellServer", connection: socket.socket, peer: str) -> None:
        self._server = server
        self._socket = connection
        self._peer = peer
        self._task: asyncio.Task[Any] | None = None
        self._dropped = False
        self.let_in = False
        """It showed an order that holds."""

    def drop(self) -> None:
        """Close the connection; the shell stays as it is."""
        self._dropped = True
        if self._task is not None:
            self._task.cancel()

    async def serve(self) -> None:
        """Until the connection or the shell is over."""
        if self._dropped:
            self._socket.close()
            return
        self._task = asyncio.current_task()
        shell: Shell | None = None
        lines = LineReader()
        try:
            order, early = await self._read_order(lines)
            self.let_in = True
            shell = await self._server.shells.attach(order, self)
            await self._carry(order, shell, lines, early)
        except Refused as refusal:
            self._server.say(f"signature: an order to open a shell was refused: {refusal}")
            await self._last_line("refused", reason=refusal.code.value, detail=refusal.diagnostics())
        except Refusing as no:
            await self._last_line("refused", reason=no.reason, detail=str(no))
        except BadLine as error:
            self._server.say(f"a connection from {self._peer} was closed: {error}")
            await self._last_line("refused", reason="malformed", detail=str(error))
        except (OSError, TimeoutError):
            pass  # gone, or it never said anything
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            self._socket.close()
            if shell is not None:
                await self._server.shells.detach(shell, self)

    async def _read_order(self, lines: LineReader) -> tuple[ShellOrder, list[dict[str, Any]]]:
        """The verified order of the first line, and what came behind it."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(FIRST_LINE_SECONDS):
            while not (messages := list(lines.feed(await self._receive(loop)))):
                pass
            first, *early = messages
            if first["type"] != "open":
                raise BadLine("a connection begins with an order")
            return await self._server.take_order(first.get("envelope")), early

    async def _receive(self, loop: asyncio.AbstractEventLoop) -> bytes:
        data = await loop.sock_recv(self._socket, shell_lines.MAX_LINE_BYTES)
        if not data:
            raise ConnectionAbortedError
        return data

    async def _carry(self, order: ShellOrder, shell: Shell, lines: LineReader, early: list[dict[str, Any]]) -> None:
        position = max(order.seen, shell.terminal.ring.start, 0)
        position = min(position, shell.terminal.ring.end)
        await shell.terminal.took(position)
        await self._send(
            "opened",
            session_id=order.session_id,
            seq=position,
            user=shell.terminal.user,
            shell=shell.terminal.shell,
        )
        async with Supervisor() as both:
            telling = both.start("tell a shell's output", self._tell(shell, position))
            hearing = both.start("hear what is typed", self._hear(shell, lines, early))
            await asyncio.wait([telling, hearing], return_when=asyncio.FIRST_COMPLETED)

    async def _tell(self, shell: Shell, position: int) -> None:
        terminal = shell.terminal
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                position, data = await terminal.next_output(position, PIECE)
                if not data:
                    break
                await loop.sock_sendall(self._socket, shell_lines.data_line("stdout", data, seq=position))
                await terminal.took(position)
            await self._send("exit", status=terminal.status or 0, reason=terminal.reason)

    async def _hear(self, shell: Shell, lines: LineReader, early: list[dict[str, Any]]) -> None:
        loop = asyncio.get_running_loop()
        messages = early
        try:
            while True:
                for message in messages:
                    await self._told(shell, message)
                messages = list(lines.feed(await self._receive(loop)))
        except OSError:
            return
        except BadLine as error:
            self._server.say(f"the connection of {shell.asked_by} was closed: {error}")

    async def _told(self, shell: Shell, message: Mapping[str, Any]) -> None:
        terminal = shell.terminal
        match message["type"]:
            case "stdin":
                await terminal.write(shell_lines.data_of(message))
            case "resize":
                await terminal.resize(*shell_lines.size_of(message))
            case "signal":
                if message.get("name") in shell_lines.SIGNALS:
                    await terminal.signal(str(message["name"]))
            case "close":
                await self._server.shells.end(shell, "It was closed.")
            case _:
                pass  # as upstream: a later version may say more

    async def _send(self, kind: str, **members: Any) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, shell_lines.write_line(kind, **members))

    async def _last_line(self, kind: str, **members: Any) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._send(kind, **members)


class ShellServer:
    """Listens while it is told to. ``take_order`` gives a verified order for an envelope, once, or raises ``Refused``.

    ``start_task(name, work)`` runs a piece of work in the background.
    """

    def __init__(
        self,
        *,
        shells: Shells,
        take_order: Callable[[Any], Awaitable[ShellOrder]],
        start_task: Callable[[str, Coroutine[Any, Any, object]], Any],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self.shells = shells
        self._take = take_order
        self._start_task = start_task
        self._clock = clock
        self.say = say
        self._connections: set[Visitor] = set()
        self.listening = ""
        """Address and port; empty while it does not listen."""

    async def take_order(self, envelope: Any) -> ShellOrder:
        """The order in an envelope, if it holds. Raises ``Refused``."""
        return await self._take(envelope)

    async def listen(self, address: str, port: int, *, peer: str) -> None:
        """Listen on this one address, to this one peer, whenever the address is there. Cancel it to stop.

        The address comes with the tunnel and goes with it: this waits for it, also when it was gone for a while.
        """
        while True:
            await self._listen(await self._bound(address, port), address, port, peer)

    async def _listen(self, listener: socket.socket, address: str, port: int, peer: str) -> None:
        self.listening = f"{address}:{port}"
        self.say(f"shells are open to {peer} on {self.listening}")
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        connection, name = await loop.sock_accept(listener)
                except TimeoutError:
                    if not is_own(address):
                        return
                    continue
                self._accept(connection, str(name[0]), peer)
        finally:
            listener.close()
            self.listening = ""
            for one in list(self._connections):
                one.drop()
            self.say("shells are closed")

    def _accept(self, connection: socket.socket, came_from: str, peer: str) -> None:
        strangers = sum(not one.let_in for one in self._connections)
        if came_from != peer or strangers >= MAX_STRANGERS:
            # Who is not the Engine in the tunnel has nothing to say here, and is told nothing.
            connection.close()
            if came_from != peer:
                self.say(f"a connection from {came_from} was refused: only {peer} may come here")
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        one = Visitor(self, connection, came_from)
        self._connections.add(one)
        self._start_task("a connection to a shell", self._serve(one))

    async def _serve(self, one: Visitor) -> None:
        try:
            await one.serve()
        finally:
            self._connections.discard(one)

    async def _bound(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        said, began = False, self._clock.monotonic()
        while True:
            listener = socket.socket(family, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                listener.listen(MAX_STRANGERS)
                listener.setblocking(False)
                return listener
            except OSError as error:
                listener.close()
                if not said and is_own(address):
                    said = True
                    self.say(f"{address}:{port} cannot be listened on ({error}); trying again")
            except BaseException:
                listener.close()
                raise
            waited = self._clock.monotonic() - began
            await self._clock.sleep(BIND_SECONDS if waited < SOON_SECONDS else LOOK_SECONDS)


def is_own(address: str) -> bool:
    """Whether this machine has the address now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
