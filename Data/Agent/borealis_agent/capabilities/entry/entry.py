"""An entry: listens on the tunnel's address alone, and lets in who brings an order that holds."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic

from borealis_agent.capabilities.entry.visitor import Refusing, Visitor
from borealis_base.clock import Clock
from borealis_wire.entry import Order
from borealis_wire.lines import BadLine
from borealis_wire.refusal import Refused

FIRST_LINE_SECONDS: Final = 10.0
MAX_STRANGERS: Final = 8
BIND_SECONDS: Final = 0.2
SOON_SECONDS: Final = 15.0
"""So long the tunnel is expected at every moment, then now and then."""
LOOK_SECONDS: Final = 2.0
SEND_BUFFER: Final = 64 * 1024


class Entry(Generic[Order]):
    """Listens while it is told to.

    Args:
        what: what is entered, in the plural, for the log: "shells".
        take_order: gives a verified order for an envelope, once, or raises ``Refused``.
        serve: does what the order is for, until the visitor has gone or there is no more to do; raises ``Refusing``,
            ``BadLine`` or ``OSError`` as it pleases. It is cancelled when the visitor is dropped.
        start_task: runs a named piece of work in the background.
        send_buffer: bytes that the system may hold of one connection; None for as many as it likes.
        most_strangers: connections that have not shown an order yet; further ones are closed at once.
    """

    def __init__(
        self,
        *,
        what: str,
        take_order: Callable[[Any], Awaitable[Order]],
        serve: Callable[[Order, Visitor], Awaitable[None]],
        start_task: Callable[[str, Coroutine[Any, Any, object]], Any],
        clock: Clock,
        say: Callable[[str], None],
        send_buffer: int | None = SEND_BUFFER,
        most_strangers: int = MAX_STRANGERS,
    ) -> None:
        self._what = what
        self._take = take_order
        self._do = serve
        self._start_task = start_task
        self._clock = clock
        self._say = say
        self._send_buffer = send_buffer
        self._most_strangers = most_strangers
        self._visitors: set[Visitor] = set()
        self.listening = ""
        """Address and port; empty while it does not listen."""

    def __len__(self) -> int:
        return sum(one.let_in for one in self._visitors)

    async def listen(self, address: str, port: int, *, peer: str) -> None:
        """Listen on this one address, to this one peer, whenever the address is there. Cancel it to stop.

        The address comes with the tunnel and goes with it: this waits for it, also when it was gone for a while.
        """
        while True:
            await self._listen(await self._bound(address, port), address, port, peer)

    async def _listen(self, listener: socket.socket, address: str, port: int, peer: str) -> None:
        self.listening = f"{address}:{port}"
        self._say(f"{self._what} are open to {peer} on {self.listening}")
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
            for one in list(self._visitors):
                one.drop()
            self._say(f"{self._what} are closed")

    def _accept(self, connection: socket.socket, came_from: str, peer: str) -> None:
        strangers = sum(not one.let_in for one in self._visitors)
        if came_from != peer or strangers >= self._most_strangers:
            # Who is not the Engine in the tunnel has nothing to say here, and is told nothing.
            connection.close()
            if came_from != peer:
                self._say(f"a connection from {came_from} was refused: only {peer} may come here")
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._send_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        one = Visitor(connection, came_from)
        self._visitors.add(one)
        self._start_task(f"a connection to {self._what}", self._serve(one))

    async def _serve(self, one: Visitor) -> None:
        try:
            if not one.dropped:
                one.begin()
                await self._let_in(one)
        except asyncio.CancelledError:
            if not one.dropped:
                raise
        finally:
            one.socket.close()
            self._visitors.discard(one)

    async def _let_in(self, one: Visitor) -> None:
        try:
            order = await self._read_order(one)
            one.let_in = True
            await self._do(order, one)
        except Refused as refusal:
            self._say(f"signature: an order to open {self._what} was refused: {refusal}")
            await one.last_line("refused", reason=refusal.code.value, detail=refusal.diagnostics())
        except Refusing as no:
            await one.last_line("refused", reason=no.reason, detail=str(no))
        except BadLine as error:
            self._say(f"a connection from {one.peer} was closed: {error}")
            await one.last_line("refused", reason="malformed", detail=str(error))
        except (OSError, TimeoutError):
            pass  # gone, or it never said anything

    async def _read_order(self, one: Visitor) -> Order:
        async with asyncio.timeout(FIRST_LINE_SECONDS):
            first = await one.first_message()
            if first["type"] != "open":
                raise BadLine("a connection begins with an order")
            return await self._take(first.get("envelope"))

    async def _bound(self, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        said, began = False, self._clock.monotonic()
        while True:
            listener = socket.socket(family, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                listener.listen(self._most_strangers)
                listener.setblocking(False)
                return listener
            except OSError as error:
                listener.close()
                if not said and is_own(address):
                    said = True
                    self._say(f"{address}:{port} cannot be listened on ({error}); trying again")
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
