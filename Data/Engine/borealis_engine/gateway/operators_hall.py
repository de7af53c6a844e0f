"""All sockets of operators: what happens is told to each within its rights, and rights are asked for again."""

import asyncio
from collections.abc import Callable
from typing import Final

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError, Unauthenticated
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.log import get_logger
from borealis_engine.gateway.admission import Admission
from borealis_engine.gateway.frames import encode_event
from borealis_engine.gateway.operator_socket import OperatorSocket
from borealis_engine.gateway.socket_server import SocketServer

CHECK_SECONDS: Final = 300.0
RETRY_SECONDS: Final = 5.0
FEED_LIMIT: Final = 10_000
WINDOW: Final = 16
"""Events handed to the transport of one socket before it must have taken them up."""

log = get_logger("server")


class OperatorsHall:
    """Fans changes out. The feed never waits for it, and it never waits for a browser.

    ``other_rights`` hears of a socket whose operator has other rights than before.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        feed: ChangeFeed,
        admission: Admission,
        server: SocketServer,
        other_rights: Callable[[OperatorSocket], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._feed = feed
        self._admission = admission
        self._server = server
        self._other_rights = other_rights
        self._sockets: dict[OperatorSocket, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self.generation = 0
        """Counts changes of rights. One that happened between somebody's check and their entry is seen by it."""

    def enter(self, socket: OperatorSocket, tasks: Supervisor) -> None:
        """A socket is connected: tell it what happens from now on."""
        if socket.generation != self.generation:
            socket.suspend()
            self._changed.set()
        self._sockets[socket] = tasks.start("tell an operator", self._pump(socket))

    def leave(self, socket: OperatorSocket) -> None:
        """A socket is gone."""
        pump = self._sockets.pop(socket, None)
        if pump is not None:
            pump.cancel()

    def rights_changed(self) -> None:
        """Somebody's rights changed: nobody hears anything until asked again. Never waits."""
        self.generation += 1
        for socket in self._sockets:
            socket.suspend()
        self._changed.set()

    async def feed_loop(self) -> None:
        """Offer every change to every socket that may hear it; a supervised task."""
        with self._feed.subscribe(limit=FEED_LIMIT) as subscription:
            lost = 0
            async for change in subscription:
                if subscription.missed > lost:
                    missed, lost = subscription.missed - lost, subscription.missed
                    for socket in self._sockets:
                        socket.miss(missed)
                text = ""
                for socket in self._sockets:
                    if socket.hears(change):
                        text = text or encode_event(change.kind, change.data)
                        socket.offer(text)

    async def check_loop(self) -> None:
        """Ask again for everybody's rights when some changed, and every 300 s in any case; a supervised task."""
        pause = CHECK_SECONDS
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            pause = CHECK_SECONDS
            for socket in list(self._sockets):
                if not await self._check(socket):
                    pause = RETRY_SECONDS

    def statistics(self) -> dict[str, int]:
        """How many operators listen, and how many events they missed, for debugging."""
        return {"operator_sockets": len(self._sockets), "operator_missed": sum(one.missed for one in self._sockets)}

    async def _check(self, socket: OperatorSocket) -> bool:
        """Ask again for one; False where nobody could tell, and it stays suspended if it was."""
        if socket.connection.closed:
            return True
        try:
            identity = await self._admission.ask_again(socket.identity)
        except Unauthenticated:
            log.info("an operator's socket lost its credentials", user=socket.identity.principal.username)
            socket.expelled = True
            self.leave(socket)
            await socket.connection.close()
            return True
        except EngineError as error:
            log.warning("could not check an operator's socket again", error_code=error.code)
            return False
        if self._changed.is_set():
            return True  # rights changed once more meanwhile; the next round asks again
        if identity.principal != socket.identity.principal:
            self._other_rights(socket)
        socket.resume(identity)
        return True

    async def _pump(self, socket: OperatorSocket) -> None:
        while True:
            text = await socket.next_text()
            await self._server.send(socket.address, text)
            if self._server.waiting(socket.address) >= WINDOW:
                await self._server.wait_sent(socket.address)
