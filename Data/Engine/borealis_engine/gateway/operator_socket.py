"""What one operator's socket is told: a bounded queue, the runs it watches, and whether it may hear; no I/O.

A browser that does not read loses the oldest events and is told how many; it delays nobody (threats 21).
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from borealis_engine.core.feed import Change
from borealis_engine.gateway.admission import OperatorIdentity
from borealis_engine.gateway.budget import TokenBucket
from borealis_engine.gateway.connection import Connection
from borealis_engine.gateway.frames import encode_event
from borealis_engine.gateway.rules import FEED_PERMISSIONS, OF_NO_SITE
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.screens import Key, Viewer
from borealis_engine.shells import Seat
from borealis_wire.events import OperatorEvent
from borealis_wire.limits import MIB

MAX_QUEUED: Final = 256
MAX_QUEUED_CHARS: Final = 2 * MIB
MAX_WATCHED: Final = 64


def may_hear(
    change: Change, principal: Principal, permissions: frozenset[Permission], watched: frozenset[str] | set[str]
) -> bool:
    """Whether a change is told to this operator: right of its kind, site, and for output also the wish to hear it."""
    needed = FEED_PERMISSIONS.get(change.kind)
    if needed is None or needed not in permissions:
        return False
    if change.kind not in OF_NO_SITE and not principal.sees_site(change.site_id):
        return False
    return change.kind != OperatorEvent.RUN_OUTPUT or change.run_id in watched


@dataclass(slots=True, eq=False)
class OperatorSocket:
    """One socket of an operator. ``suspended``: rights may have changed; nothing is told until they were checked."""

    identity: OperatorIdentity
    connection: Connection
    generation: int = 0
    """Of rights, when the credential was checked first; see ``operators_hall``."""
    address: str = ""
    suspended: bool = False
    watched: set[str] = field(default_factory=set)
    screens: dict[Key, Viewer] = field(default_factory=dict)
    """What it watches live, by device and monitor."""
    shells: dict[str, Seat] = field(default_factory=dict)
    """The shells it has open, by their ids."""
    host: str = ""
    """What the operator calls the Engine by."""
    expelled: bool = False
    """Its credentials do not hold any more."""
    permissions: frozenset[Permission] = field(init=False)
    missed: int = 0
    events: TokenBucket = field(default_factory=lambda: TokenBucket(20.0, 100.0))
    _acks: dict[int, "asyncio.Future[Any]"] = field(default_factory=dict)
    _next_ack: int = 1
    _queue: deque[str] = field(default_factory=deque)
    _chars: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.permissions = self.identity.permissions

    def hears(self, change: Change) -> bool:
        """Whether a change is for this socket."""
        return may_hear(change, self.identity.principal, self.permissions, self.watched)

    def offer(self, text: str) -> None:
        """Queue an encoded event; the oldest ones make room. Never waits."""
        self._queue.append(text)
        self._chars += len(text)
        while len(self._queue) > MAX_QUEUED or (self._chars > MAX_QUEUED_CHARS and len(self._queue) > 1):
            self._chars -= len(self._queue.popleft())
            self.missed += 1
        if not self.suspended:
            self._wake.set()

    def miss(self, count: int) -> None:
        """So many events were lost before they came here."""
        self.missed += count
        self._wake.set()

    def expect_ack(self) -> tuple[int, "asyncio.Future[Any]"]:
        """A number for an event that wants an acknowledgement, and the future that it will complete."""
        number, self._next_ack = self._next_ack, self._next_ack + 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._acks[number] = future
        return number, future

    def acknowledged(self, number: int) -> None:
        """The browser has it; numbers that nobody waits for are ignored."""
        future = self._acks.pop(number, None)
        if future is not None and not future.done():
            future.set_result(None)

    def forget_acks(self, futures: "list[asyncio.Future[Any]]") -> None:
        """Nobody waits for these any more."""
        self._acks = {number: future for number, future in self._acks.items() if future not in futures}

    async def next_text(self) -> str:
        """The next event to send, waiting for it: word of what was missed comes first."""
        while self.suspended or not (self._queue or self.missed):
            self._wake.clear()
            await self._wake.wait()
        if self.missed:
            count, self.missed = self.missed, 0
            return encode_event(OperatorEvent.MISSED, {"count": count})
        text = self._queue.popleft()
        self._chars -= len(text)
        return text

    def suspend(self) -> None:
        """Tell nothing until :meth:`resume`."""
        self.suspended = True

    def resume(self, identity: OperatorIdentity) -> None:
        """The credential holds. With other rights than before, what was queued under the old ones is dropped."""
        if identity.principal != self.identity.principal:
            self.missed += len(self._queue)
            self._queue.clear()
            self._chars = 0
            self.watched.clear()
            for viewer in self.screens.values():
                viewer.end("Your rights were changed. Start again.")
            self.offer(encode_event(OperatorEvent.RIGHTS_CHANGED, {}))
        self.identity = identity
        self.permissions = identity.permissions
        self.suspended = False
        self._wake.set()
