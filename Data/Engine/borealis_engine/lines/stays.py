"""Stays: each is one operator's connection to a device, on record from its beginning to its end.

A stay ends when its operator goes, when somebody ends it, and within seconds when the device may not be reached any
more or the operator's right is gone. What ends with it is for the room whose stay it is: it is told by ``on_over``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from borealis_base.clock import Clock
from borealis_engine.activity import RowKind, Use, UseRecorder
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import Conflict, EngineError, Forbidden, NotFound, RateLimited
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.events import RunContext, RunStatus

CHECK_SECONDS: Final = 60.0
"""Rights are asked for again at least so often: a session that ran out is no event."""
RETRY_SECONDS: Final = 5.0

NOT_ACTIVE: Final = "The device is not active any more."
NOT_YOURS: Final = "You may not see this device any more."
SIGNED_OUT: Final = "You were signed out, or your rights changed."
ENGINE_ENDS: Final = "The Engine ends."

log = get_logger("agents")


class Rights(Protocol):
    """Implemented by ``operators.OperatorService``."""

    async def rights_now(self, principal: Principal) -> Principal | None:
        """The same operator by the same credential; None where that does not hold any more. Raises ``Unavailable``."""


@dataclass(frozen=True, slots=True)
class StayKind:
    """A kind of stay.

    Attributes:
        word: begins error codes and audit actions.
        thing: for sentences, singular.
        row: what it is among the activity.
        permission: that it takes.
        most: that one operator has at a time.
    """

    word: str
    thing: str
    row: RowKind
    permission: Permission
    most: int = 16


@dataclass(slots=True, eq=False)
class Stay:
    """One stay. Times are Unix seconds; ``detail`` goes on record with its end, and may be added to until then."""

    stay_id: str
    record: DeviceRecord
    site_id: int | None
    principal: Principal
    address: str
    since: float
    name: str
    user: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    opened: bool = False
    """The device let it in. Set by the room."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    lost: bool = False
    use: Use | None = None
    _on_over: list[Callable[[], object]] = field(default_factory=list)

    @property
    def guid(self) -> str:
        """The device's."""
        return self.record.guid

    def end(self, reason: str, *, lost: bool = False) -> None:
        """It is over, for this reason; a second end changes nothing. Never waits."""
        if not self.over.is_set():
            self.reason, self.lost = reason, lost
            self.over.set()
            for callback in self._on_over:
                callback()

    def on_over(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when it is over; at once where it is already."""
        if self.over.is_set():
            callback()
        else:
            self._on_over.append(callback)


class Stays:
    """Every stay of one kind."""

    def __init__(
        self,
        kind: StayKind,
        *,
        devices: DeviceService,
        rights: Rights,
        uses: UseRecorder,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._kind = kind
        self._devices = devices
        self._rights = rights
        self._uses = uses
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._stays: dict[str, Stay] = {}
        self._ask = asyncio.Event()
        devices.on_access_changed(self._access_changed)

    def __len__(self) -> int:
        return len(self._stays)

    def __iter__(self) -> Iterator[Stay]:
        return iter(list(self._stays.values()))

    def find_device(self, principal: Principal, name: str) -> DeviceRecord:
        """An active device by its GUID or upstream's agent id, which has the GUID inside.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: ``device_not_active``.
        """
        record = self._devices.by_agent_id(principal, name)
        if record.auth.status != "active":
            raise Conflict("device_not_active", f"The device is {record.auth.status}: nobody gets to it.")
        return record

    @contextlib.asynccontextmanager
    async def stay(
        self,
        principal: Principal,
        record: DeviceRecord,
        *,
        name: str,
        address: str,
        user: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Stay]:
        """A stay that lasts as long as the context. Who stays is on record before the device hears of it.

        Args:
            principal: who.
            record: the device.
            name: what lists of activity show.
            address: of the operator.
            user: the account on the device; empty for the agent's own.
            detail: for the audit log.

        Raises:
            Conflict: the device is not active.
            Forbidden: the right is gone meanwhile.
            RateLimited: this operator has too many.
            Unavailable: it cannot be put on record.
        """
        if record.auth.status != "active":
            raise Conflict("device_not_active", f"The device is {record.auth.status}: nobody gets to it.")
        if sum(one.principal.username == principal.username for one in self) >= self._kind.most:
            raise RateLimited(10.0, f"You have {self._kind.most} of these open already. Close one first.")
        stay = Stay(
            stay_id=self._randomness.uuid(),
            record=record,
            site_id=record.auth.site_id,
            principal=principal,
            address=address,
            since=self._clock.now(),
            name=name,
            user=user,
        )
        self._stays[stay.stay_id] = stay
        try:
            await self._begin(stay, detail or {})
            yield stay
            stay.end("It was closed.")
        except EngineError as error:
            stay.end(error.detail, lost=True)
            raise
        except BaseException:
            stay.end("The connection was lost.", lost=True)
            raise
        finally:
            del self._stays[stay.stay_id]
            await self._finish(stay)

    def listed(self, principal: Principal, guid: str = "") -> list[Stay]:
        """Those on devices that the operator sees, oldest first; of one device where ``guid`` names it."""
        seen = [one for one in self if principal.sees_site(one.site_id) and (not guid or one.guid == guid.upper())]
        return sorted(seen, key=lambda one: one.since)

    async def end(self, principal: Principal, stay_id: str, *, address: str) -> None:
        """End anybody's stay on a device that the operator sees. They are told who did.

        Raises:
            NotFound: there is none, or it is out of sight.
        """
        stay = self._stays.get(stay_id)
        if stay is None or not principal.sees_site(stay.site_id):
            raise NotFound(f"{self._kind.word}_not_found", f"There is no such {self._kind.thing}, or it has ended.")
        detail = {"session": stay_id, "of": stay.principal.username}
        await self._record(f"{self._kind.word}.end", stay, detail, who=principal.username, address=address)
        stay.end(f"{principal.username} ended it.")

    def rights_changed(self) -> None:
        """Some operator's rights changed: ask for everybody's again. Never waits."""
        self._ask.set()

    async def run_loop(self) -> None:
        """Ask again for the rights of who stays; a supervised task."""
        pause = CHECK_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ask.wait()
            self._ask.clear()
            pause = CHECK_SECONDS
            for stay in self:
                try:
                    if not await self._may_stay(stay):
                        stay.end(SIGNED_OUT)
                except EngineError:
                    pause = RETRY_SECONDS  # nobody can tell now
            if pause == RETRY_SECONDS:
                log.warning("the rights of who is connected to devices could not be asked for", kind=self._kind.word)

    def end_all(self) -> None:
        """For the end of the Engine; whoever carries a stay sees it and leaves. Never waits."""
        for stay in self:
            stay.end(ENGINE_ENDS, lost=True)

    async def _begin(self, stay: Stay, detail: Mapping[str, Any]) -> None:
        account = {"account": stay.user} if stay.user else {}
        await self._record(f"{self._kind.word}.open", stay, {"session": stay.stay_id, **account, **detail})
        stay.use = await self._uses.begin(
            self._kind.row,
            stay.name,
            guid=stay.guid,
            hostname=stay.record.hostname,
            site_id=stay.site_id,
            by=stay.principal.username,
            context=RunContext.SYSTEM,
            user=stay.user,
        )
        # From here on changes of rights are heard; what changed before the stay was known is asked for once.
        if not await self._may_stay(stay):
            raise Forbidden("rights_changed", "Rights changed meanwhile. Ask again.")

    async def _finish(self, stay: Stay) -> None:
        status = RunStatus.COMPLETED
        if stay.lost:
            status = RunStatus.INTERRUPTED if stay.opened else RunStatus.FAILED
        seconds = round(self._clock.now() - stay.since)
        detail = {"session": stay.stay_id, "seconds": seconds, "reason": stay.reason, **stay.detail}
        try:
            await self._record(f"{self._kind.word}.close", stay, detail)
            if stay.use is not None:
                await self._uses.end(stay.use, status, stay.reason, user=stay.user)
        except EngineError as error:
            log.error("the end of a connection is not on record", kind=self._kind.word, error_code=error.code)

    async def _may_stay(self, stay: Stay) -> bool:
        now = await self._rights.rights_now(stay.principal)
        return now is not None and now.may(self._kind.permission) and now.sees_site(stay.site_id)

    async def _record(
        self, action: str, stay: Stay, detail: Mapping[str, Any], *, who: str = "", address: str = ""
    ) -> None:
        await self._audit.record(
            AuditEntry(
                who or stay.principal.username,
                action,
                "device",
                stay.guid,
                dict(detail),
                address or stay.address,
                site_id=stay.site_id,
            )
        )

    def _access_changed(self, guid: str) -> None:
        state = self._devices.auth_state(guid)
        for stay in self:
            if stay.guid != guid:
                continue
            if state is None or state.status != "active":
                stay.end(NOT_ACTIVE)
            elif not stay.principal.sees_site(state.site_id):
                stay.end(NOT_YOURS)
            else:
                stay.site_id = state.site_id
