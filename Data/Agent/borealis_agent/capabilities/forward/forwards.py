"""Carries forwarded connections: each between a visitor and a target, each direction until it ends by itself."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_agent.capabilities.forward.dialling import connect
from borealis_agent.capabilities.forward.targets import Address, Targets
from borealis_base.tasks import Supervisor
from borealis_wire.forward import ForwardOrder, ForwardReason

MOST: Final = 200
"""Connections at a time: each takes two of the agent's files."""
PIECE: Final = 64 * 1024
_REMEMBERED: Final = 64
_LINGER: Final = "hh" if sys.platform == "win32" else "ii"


class Forwards:
    """Every forwarded connection of this device.

    Args:
        targets: what may be connected to.
        closed: gives the addresses that are never a target, as they are now.
        engine: gives host and port that the Engine is called at.
        say: writes a line of the log.
        most: connections at a time.
    """

    def __init__(
        self,
        *,
        targets: Targets,
        closed: Callable[[], frozenset[Address]],
        engine: Callable[[], tuple[str, int]],
        say: Callable[[str], None],
        most: int = MOST,
    ) -> None:
        self._targets = targets
        self._closed = closed
        self._engine = engine
        self._say = say
        self._most = most
        self._carried = 0
        self._opened = 0
        # One line in the log for a forward, not one for each connection of a browser.
        self._known: deque[tuple[str, str, int]] = deque(maxlen=_REMEMBERED)

    def report(self) -> Mapping[str, Any]:
        """For the role's health."""
        return {"connections": self._carried, "opened": self._opened}

    async def serve(self, order: ForwardOrder, visitor: Visitor) -> None:
        """Connect to the order's target and carry bytes until both directions have ended, or one broke.

        Raises:
            Refusing: there is no connection to be had.
            BadLine: the visitor spoke before it was answered.
            OSError: the visitor has gone.
        """
        if self._carried >= self._most:
            raise Refusing(ForwardReason.BUSY, f"The device carries {self._most} connections already.")
        self._carried += 1
        try:
            try:
                closed, engine = self._closed(), self._engine()
                target = await connect(order.host, order.port, self._targets, closed=closed, engine=engine)
            except Refusing as no:
                self._say(f"{order.asked_by} got no connection to {order.host} port {order.port}: {no.reason}")
                raise
            with target:
                self._opened += 1
                self._note(order)
                visitor.check_quiet()
                await visitor.send("opened", address=str(target.getpeername()[0]))
                await _carry(visitor.socket, target)
        finally:
            self._carried -= 1

    def _note(self, order: ForwardOrder) -> None:
        this = (order.session_id, order.host, order.port)
        if this not in self._known:
            self._known.append(this)
            self._say(f"{order.asked_by} is connected to {order.host} port {order.port}")


async def _carry(one: socket.socket, other: socket.socket) -> None:
    """Both ways. Unless both came to their ends, both sides see a broken connection, also where we are killed.

    What was cut short must not look complete.
    """
    for each in (one, other):
        _break_when_closed(each, broken=True)
    broke: list[OSError] = []

    async def way(source: socket.socket, to: socket.socket) -> None:
        try:
            await _pump(source, to)
        except OSError as error:
            broke.append(error)
            ways.cancel_all()

    async with Supervisor() as ways:
        both = [ways.start("carry to a target", way(one, other)), ways.start("carry from a target", way(other, one))]
        await asyncio.wait(both)
    if not broke:
        for each in (one, other):
            _break_when_closed(each, broken=False)


async def _pump(source: socket.socket, to: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, PIECE):
        await loop.sock_sendall(to, data)
    to.shutdown(socket.SHUT_WR)


def _break_when_closed(connection: socket.socket, *, broken: bool) -> None:
    """Whether the other side sees a break, or an end, when this socket is closed. Never raises."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, broken, 0))
