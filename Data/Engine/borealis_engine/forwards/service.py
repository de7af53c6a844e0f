"""Lets operators forward connections, keeps account of which are open, and ends what may not go on.

A forward is one stay: asked for once, on record once, with how much went through it. Each of its connections comes with
a ticket of its own, as a browser opens them by the dozen, and under an order of its own.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.activity import RowKind
from borealis_engine.core.errors import Conflict, Invalid, NotFound, RateLimited
from borealis_engine.core.ids import Randomness
from borealis_engine.devices import DeviceRecord
from borealis_engine.forwards.forward import (
    FORWARD,
    MOST_CONNECTIONS,
    ConnectionStream,
    Forward,
    ForwardLine,
    ForwardStream,
)
from borealis_engine.forwards.models import Begin, Connect, OpenForward
from borealis_engine.lines import Sealer, StayKind, Stays, Stream, Tickets, Waiting, Way, ending_with
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.envelope import FORWARD_TYPE
from borealis_wire.forward import FORWARD_ORDER_SECONDS, ForwardOrder, is_host

STREAM_PATH: Final = "/api/forward/stream"
FORWARDS: Final = StayKind("forward", "forward", RowKind.FORWARD, Permission.FORWARD, most=64)


class ForwardService:
    """Every forward that operators of this Engine have open. ``port``: where devices are entered."""

    def __init__(
        self, *, stays: Stays, signing: Sealer, way: Way, clock: Clock, randomness: Randomness, port: int
    ) -> None:
        self._stays = stays
        self._signing = signing
        self._way = way
        self._clock = clock
        self._randomness = randomness
        self._port = port
        self._tickets: Tickets[Begin | Connect] = Tickets(clock=clock, randomness=randomness)
        self._open: dict[str, Forward] = {}

    # --- for operators; called by ``api``

    def ask(self, principal: Principal, name: str, host: str, port: int) -> tuple[DeviceRecord, str, float]:
        """The device, a token for a forward, and when that holds no more (Unix seconds).

        Args:
            principal: who asks.
            name: GUID or agent id of the device.
            host: of the target, as the device understands it; an IPv6 address may come in brackets.
            port: of the target.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: it is not active.
            Invalid: ``bad_target``.
            RateLimited: too many are about to be opened.
        """
        record = self._stays.find_device(principal, name)
        host = host.strip().removeprefix("[").removesuffix("]")
        if not is_host(host):
            raise Invalid("bad_target", "The target is a name or an address, in ASCII, without a path or a zone.")
        token, until = self._tickets.issue(principal, Begin(record.guid, host, port))
        return record, token, until

    def connect(self, principal: Principal, session_id: str) -> tuple[str, float]:
        """A token for one connection of one's own forward, and when that holds no more.

        Raises:
            NotFound: ``forward_not_found``: it is over, or somebody else's.
            RateLimited: it has too many connections.
        """
        forward = self._own(principal, session_id)
        if forward.busy >= MOST_CONNECTIONS:
            raise RateLimited(1.0, f"This forward carries {MOST_CONNECTIONS} connections already.")
        return self._tickets.issue(principal, Connect(session_id))

    def listed(self, principal: Principal, guid: str = "") -> list[OpenForward]:
        """Forwards on devices that the operator sees, oldest first."""
        seen = [self._open.get(stay.stay_id) for stay in self._stays.listed(principal, guid)]
        return [forward.row() for forward in seen if forward is not None]

    async def end(self, principal: Principal, session_id: str, *, address: str) -> None:
        """End anybody's forward with its connections. Raises ``NotFound`` with ``forward_not_found``."""
        await self._stays.end(principal, session_id, address=address)

    # --- at the socket door; called by ``gateway`` as ``lines.Streams``

    @contextlib.asynccontextmanager
    async def open(
        self, principal: Principal, token: str, *, host: str, address: str, waiting: Waiting
    ) -> AsyncIterator[Stream]:
        """What a ticket is for: a forward, or one of its connections. As ``lines.Streams``."""
        what = self._tickets.take(principal, token)
        if isinstance(what, Begin):
            async with self._begun(principal, what, host, address) as session:
                yield session
        else:
            async with self._connected(self._own(principal, what.session_id)) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _begun(self, principal: Principal, asked: Begin, host: str, address: str) -> AsyncIterator[ForwardStream]:
        record = self._stays.find_device(principal, asked.guid)
        target = f"{asked.host}:{asked.port}" if ":" not in asked.host else f"[{asked.host}]:{asked.port}"
        detail: dict[str, Any] = {"target": target}
        async with (
            self._stays.stay(
                principal, record, name=f"Port forwarding to {target}", address=address, detail=detail
            ) as stay,
            self._way.to(principal, record, port=self._port, host=host, address=address) as place,
            ending_with(place, stay),
        ):
            stay.opened = True
            forward = self._open[stay.stay_id] = Forward(stay, place, asked.host, asked.port)
            try:
                yield ForwardStream(forward)
            finally:
                del self._open[stay.stay_id]
                stay.detail |= {**detail, **forward.summary()}
                # Nobody is left to end it: what it carries ends with it.
                stay.end("It was closed.")

    @contextlib.asynccontextmanager
    async def _connected(self, forward: Forward) -> AsyncIterator[ConnectionStream]:
        if forward.busy >= MOST_CONNECTIONS:
            raise RateLimited(1.0, f"This forward carries {MOST_CONNECTIONS} connections already.")
        forward.busy += 1
        try:
            async with forward.opening:
                line = await self._line(forward)
            stream = ConnectionStream(line, forward)
            forward.streams.add(stream)
            forward.opened += 1
            try:
                if forward.stay.over.is_set():
                    raise Conflict("forward_over", forward.stay.reason)
                yield stream
            finally:
                forward.streams.discard(stream)
                stream.close()
        finally:
            forward.busy -= 1

    async def _line(self, forward: Forward) -> ForwardLine:
        if forward.stay.over.is_set():
            raise Conflict("forward_over", forward.stay.reason)
        now = self._clock.now()
        order = ForwardOrder(
            order_id=self._randomness.uuid(),
            session_id=forward.stay.stay_id,
            device_guid=forward.stay.guid,
            asked_by=forward.stay.principal.username,
            host=forward.host,
            port=forward.port,
            issued_at=now,
            expires_at=now + FORWARD_ORDER_SECONDS,
        )
        envelope = self._signing.seal(FORWARD_TYPE, order.to_payload())
        return await ForwardLine.open(forward.place, envelope, self._clock, FORWARD)

    def _own(self, principal: Principal, session_id: str) -> Forward:
        forward = self._open.get(session_id)
        if forward is None or forward.stay.principal.username != principal.username or forward.stay.over.is_set():
            raise NotFound("forward_not_found", "There is no such forward of yours, or it has ended.")
        return forward
