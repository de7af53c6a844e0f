"""What roles with an entry have in common: they listen while there is a tunnel."""

import abc
import asyncio
import os
from collections.abc import Coroutine
from typing import Any, ClassVar, Final, Generic

from borealis_agent.capabilities.entry.entry import Entry
from borealis_agent.capabilities.entry.visitor import Visitor
from borealis_agent.role_api.contract import BaseRole, RoleContext
from borealis_base.clock import Clock, SystemClock
from borealis_wire.entry import EntryKind, Order
from borealis_wire.events import EngineEvent

LOCAL_SETTING: Final = "BOREALIS_TUNNEL_LOCAL"
LOOPBACK: Final = "127.0.0.1"


class EntryRole(BaseRole, abc.ABC, Generic[Order]):
    """A role that operators reach through the tunnel. A role says what is entered, where, and serves visitors."""

    WHAT: ClassVar[str]
    """What is entered, in the plural, for the log."""
    PORT: ClassVar[int]
    PORT_SETTING: ClassVar[str]
    """The environment variable that names another port."""
    SEND_BUFFER: ClassVar[int | None] = 64 * 1024
    MOST_STRANGERS: ClassVar[int] = 8
    """Connections at a time that have not shown an order yet."""

    def __init__(self, ctx: RoleContext, kind: EntryKind[Order]) -> None:
        super().__init__(ctx)
        self._kind = kind
        self._entry: Entry[Order] | None = None
        self._listening: asyncio.Task[Any] | None = None
        self.peer = ""
        """Who may come in: the Engine's address in the tunnel."""

    @abc.abstractmethod
    async def serve(self, order: Order, visitor: Visitor) -> None:
        """Do what a verified order is for; as ``Entry.serve``."""

    def opening(self, clock: Clock) -> None:
        """The entry is opened for the first time: make what is needed behind it."""

    def closing(self, reason: str) -> Coroutine[Any, Any, object] | None:
        """The tunnel, or the agent, is going: end what visitors began."""

    def register_events(self) -> None:
        """Wait for the tunnel. Both events are sealed: what we hear of them was verified."""
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_START, self._tunnel_begins)
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_STOP, self._tunnel_ends)
        if os.environ.get(LOCAL_SETTING) == "1":
            # Engine and agent on one machine, where no tunnel leads from one to the other. Orders are sealed all the
            # same, and nothing beyond this machine can connect.
            self._listen(LOOPBACK, LOOPBACK)

    async def stop_all(self) -> None:
        """Nothing that a visitor began outlives its agent."""
        self._stop_listening()
        if (ended := self._close("The agent ended.")) is not None:
            await ended

    async def shut_out(self, _reason: str) -> None:
        """The Engine is none of ours any more: nobody comes in, and who is in goes."""
        await self._tunnel_ends({})

    @property
    def listening(self) -> str:
        """Address and port; empty while it does not listen."""
        return "" if self._entry is None else self._entry.listening

    @property
    def visitors(self) -> int:
        """How many are in."""
        return 0 if self._entry is None else len(self._entry)

    def _tunnel_begins(self, order: dict[str, Any]) -> None:
        self._listen(_host(order.get("virtual_ip")), _host(order.get("engine_virtual_ip")))

    async def _tunnel_ends(self, _order: dict[str, Any]) -> None:
        self._stop_listening()
        if (ended := self._close("The tunnel was closed.")) is not None:
            self.ctx.start_task(f"end {self.WHAT}", ended)

    def _close(self, reason: str) -> Coroutine[Any, Any, object] | None:
        return None if self._entry is None else self.closing(reason)

    def _listen(self, address: str, engine: str) -> None:
        if self._entry is None:
            clock = SystemClock()
            self._entry = Entry(
                what=self.WHAT,
                take_order=self._take,
                serve=self.serve,
                start_task=self.ctx.start_task,
                clock=clock,
                say=self.ctx.log,
                send_buffer=self.SEND_BUFFER,
                most_strangers=self.MOST_STRANGERS,
            )
            self.opening(clock)
        self.peer = engine
        port = _port(os.environ.get(self.PORT_SETTING, ""), self.PORT)
        if self._listening is not None and not self._listening.done() and self._entry.listening == f"{address}:{port}":
            return  # the tunnel goes on, under another order
        self._stop_listening()
        self._listening = self.ctx.start_task(
            f"the port of {self.WHAT}", self._entry.listen(address, port, peer=engine)
        )

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _take(self, envelope: Any) -> Order:
        return await self.ctx.take_entry_order(self._kind, envelope)


def _host(address: object) -> str:
    return str(address or "").partition("/")[0]


def _port(text: str, otherwise: int) -> int:
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else otherwise
