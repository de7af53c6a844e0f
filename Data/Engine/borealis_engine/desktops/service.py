"""Lets operators see and use desktops of devices: the ticket, the order, and the bytes between them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.activity import RowKind
from borealis_engine.core.errors import EngineError, Invalid
from borealis_engine.core.ids import Randomness
from borealis_engine.desktops.models import DesktopAsked, DesktopPolicy, DesktopTicket, OpenDesktop
from borealis_engine.desktops.policies import Policies
from borealis_engine.desktops.sessions import Key, Sessions
from borealis_engine.lines import (
    EntryName,
    Line,
    LineStream,
    Place,
    Sealer,
    Stay,
    StayKind,
    Stays,
    Stream,
    Tickets,
    Waiting,
    Way,
    ending_with,
    while_it_lasts,
)
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.desktop import DESKTOP_ORDER_SECONDS, DESKTOP_PORT, Consent, DesktopKind, DesktopOrder
from borealis_wire.envelope import DESKTOP_TYPE

STREAM_PATH: Final = "/api/desktop/stream"
DESKTOP: Final = EntryName("desktop", "desktop", "VNC")
STAY_KIND: Final = StayKind("desktop", "desktop", RowKind.DESKTOP, Permission.DESKTOP)

TIGHTENED: Final = "The policy of this device's desktops changed: only looking is allowed. Open it again to look."


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a token is for."""

    guid: str
    asked: DesktopAsked


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection as it was granted."""

    stay: Stay
    kind: DesktopKind
    view_only: bool


class DesktopService:
    """Every desktop that operators of this Engine see. Implements ``lines.Streams``."""

    def __init__(
        self,
        *,
        stays: Stays,
        policies: Policies,
        signing: Sealer,
        clock: Clock,
        randomness: Randomness,
        way: Way,
        port: int = DESKTOP_PORT,
    ) -> None:
        self._stays = stays
        self._policies = policies
        self._signing = signing
        self._clock = clock
        self._randomness = randomness
        self._way = way
        self._port = port
        self._tickets: Tickets[_Ticket] = Tickets(clock=clock, randomness=randomness)
        self._sessions = Sessions(clock=clock, randomness=randomness)
        self._open: dict[str, _Open] = {}

    # --- for operators; called by ``api``

    async def prepare(self, principal: Principal, name: str, asked: DesktopAsked) -> DesktopTicket:
        """A ticket for one connection to a desktop. The device hears of it when the WebSocket is opened.

        Args:
            principal: who asks; they have the permission.
            name: GUID of the device, or upstream's agent id.
            asked: which desktop, and how.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: ``device_not_active``.
            Invalid: ``account_missing``.
            RateLimited: too many tickets are out.
        """
        if asked.kind is DesktopKind.OWN and not asked.user:
            raise Invalid("account_missing", "A desktop of its own is begun for an account: say which.")
        record = self._stays.find_device(principal, name)
        policy = await self._policies.of(record.auth.site_id)
        token, expires_at = self._tickets.issue(principal, _Ticket(record.guid, asked))
        return DesktopTicket(
            token=token,
            path=STREAM_PATH,
            expires_at=expires_at,
            session_id=self._sessions.id_of(_key(principal, record.guid, asked)),
            view_only=asked.view_only or policy.view_only,
            consent=policy.consent,
        )

    def listed(self, principal: Principal, guid: str = "") -> list[OpenDesktop]:
        """Who has a desktop open, on the devices that the operator may see; of one where ``guid`` names it."""
        found = []
        for stay in self._stays.listed(principal, guid):
            granted = self._open.get(stay.stay_id)
            if granted is not None:
                found.append(
                    OpenDesktop(
                        id=stay.stay_id,
                        guid=stay.guid,
                        hostname=stay.record.hostname,
                        username=stay.principal.username,
                        user=stay.user,
                        kind=granted.kind.value,
                        view_only=granted.view_only,
                        since=stay.since,
                    )
                )
        return found

    async def end(self, principal: Principal, stay_id: str, *, address: str) -> None:
        """End anybody's connection to a desktop of a device that the operator sees. Raises ``NotFound``."""
        await self._stays.end(principal, stay_id, address=address)

    async def policy(self, principal: Principal) -> tuple[DesktopPolicy, list[DesktopPolicy]]:
        """As ``Policies.seen_by``."""
        return await self._policies.seen_by(principal)

    async def put_policy(self, principal: Principal, wanted: DesktopPolicy, *, address: str) -> DesktopPolicy:
        """As ``Policies.put``; who uses what may only be looked at from now on is shut out."""
        policy = await self._policies.put(principal, wanted, address=address)
        await self._tighten()
        return policy

    async def remove_policy(self, principal: Principal, site_id: int, *, address: str) -> None:
        """As ``Policies.remove``, with what :meth:`put_policy` does."""
        await self._policies.remove(principal, site_id, address=address)
        await self._tighten()

    # --- for the socket door

    @contextlib.asynccontextmanager
    async def open(
        self, principal: Principal, token: str, *, host: str, address: str, waiting: Waiting
    ) -> AsyncIterator[Stream]:
        """The desktop that a ticket is for, as ``lines.Streams``. Rights and policy are asked for anew."""
        ticket = self._tickets.take(principal, token)
        record = self._stays.find_device(principal, ticket.guid)
        asked = ticket.asked
        policy = await self._policies.of(record.auth.site_id)
        view_only = asked.view_only or policy.view_only
        key = _key(principal, record.guid, asked)
        detail = {"kind": asked.kind.value, "view_only": view_only, "policy": policy.consent.value}
        async with contextlib.AsyncExitStack() as all_of_it:
            stay = await all_of_it.enter_async_context(
                self._stays.stay(
                    principal, record, name=_name(asked, view_only), address=address, user=asked.user, detail=detail
                )
            )
            self._open[stay.stay_id] = _Open(stay, asked.kind, view_only)
            all_of_it.callback(self._open.pop, stay.stay_id, None)
            session_id = self._sessions.join(key)
            all_of_it.callback(self._sessions.leave, key)
            async with while_it_lasts(stay, "desktop_ended"):
                way = self._way.to(principal, record, port=self._port, host=host, address=address)
                place = await all_of_it.enter_async_context(way)
                order = self._order(stay, asked, policy, session_id, view_only=view_only)
                line = await self._connect(stay, place, order, policy, waiting)
                all_of_it.callback(line.cut)
            stay.opened = True
            await all_of_it.enter_async_context(ending_with(place, stay))
            yield LineStream(line, stay, told=_told(line, view_only))

    # --- inside

    async def _connect(
        self, stay: Stay, place: Place, order: DesktopOrder, policy: DesktopPolicy, waiting: Waiting
    ) -> Line:
        envelope = self._signing.seal(DESKTOP_TYPE, order.to_payload())
        stay.detail |= {"consent": "not asked"}

        def asked_to_wait(said: Any) -> None:
            stay.detail |= {"consent": "asked"}
            waiting(said)

        try:
            line = await Line.open(place, envelope, self._clock, DESKTOP, asked_to_wait=asked_to_wait)
        except EngineError as no:
            if stay.detail["consent"] == "asked" and no.code == "desktop_refused":
                stay.detail |= {"consent": "not given"}
            raise
        if stay.detail["consent"] == "asked":
            stay.detail |= {"consent": "given"}
        elif policy.consent is Consent.ASK:
            stay.detail |= {"consent": "nobody to ask"}
        stay.user = str(line.opened.get("user", ""))[:256] or stay.user
        stay.detail |= {"account": stay.user}
        return line

    def _order(
        self, stay: Stay, asked: DesktopAsked, policy: DesktopPolicy, session_id: str, *, view_only: bool
    ) -> DesktopOrder:
        now = self._clock.now()
        return DesktopOrder(
            order_id=self._randomness.uuid(),
            session_id=session_id,
            device_guid=stay.guid,
            asked_by=stay.principal.username,
            kind=asked.kind,
            issued_at=now,
            expires_at=now + DESKTOP_ORDER_SECONDS,
            user=asked.user,
            view_only=view_only,
            consent=policy.consent,
            ask_seconds=policy.ask_seconds,
            width=asked.width,
            height=asked.height,
        )

    async def _tighten(self) -> None:
        policy_of = await self._policies.all()
        for granted in list(self._open.values()):
            if not granted.view_only and policy_of(granted.stay.site_id).view_only:
                granted.stay.end(TIGHTENED)


def _operator(principal: Principal) -> Key:
    return (principal.operator_id, principal.username)


def _key(principal: Principal, guid: str, asked: DesktopAsked) -> Key:
    return (*_operator(principal), guid, asked.kind, asked.user)


def _name(asked: DesktopAsked, view_only: bool) -> str:
    what = "own desktop" if asked.kind is DesktopKind.OWN else "screen"
    return f"Desktop: {what}{f' of {asked.user}' if asked.user else ''}{', view only' if view_only else ''}"


def _told(line: Line, view_only: bool) -> dict[str, Any]:
    """What the page hears. Of what the device says, only what is known here, as what it is."""
    said = line.opened
    told: dict[str, Any] = {"user": str(said.get("user", ""))[:256], "kind": str(said.get("kind", ""))[:16]}
    told["view_only"] = view_only or said.get("view_only") is True
    told["signed_in"] = said.get("signed_in") is True
    return told | {name: value for name in ("width", "height") if isinstance(value := said.get(name), int)}
