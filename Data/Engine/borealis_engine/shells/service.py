"""Lets operators into shells of devices, keeps account of who is where, and ends what may not go on."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.activity import RowKind, UseRecorder
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import Conflict, EngineError, NotFound, RateLimited
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.lines import NO_TUNNEL, Place, Rights, Sealer, Way
from borealis_engine.operators.permissions import Principal
from borealis_engine.shells.away import Away
from borealis_engine.shells.line import SHELL, ShellLine
from borealis_engine.shells.models import OpenShell, ShellAsked
from borealis_engine.shells.session import Ended, Recorder, Seat, Session
from borealis_wire.envelope import SHELL_TYPE
from borealis_wire.events import RunContext, RunStatus
from borealis_wire.shell import DETACHED_SECONDS, NEW, SHELL_ORDER_SECONDS, SHELL_PORT, ShellOrder

MAX_SHELLS: Final = 64
"""Of one operator, on all devices together."""
CHECK_SECONDS: Final = 1.0

GONE: Final = "Nobody came back to it in time."
NOT_ACTIVE: Final = "The device is not active any more."
NOT_YOURS: Final = "You may not see this device any more."
SIGNED_OUT: Final = "You were signed out, or your rights changed."

log = get_logger("agents")


class Recorders(Protocol):
    """Where recordings begin and end; ``recordings.Recordings`` fulfils it."""

    async def begin(self, session: Session, columns: int, rows: int) -> Recorder | None:
        """Record a shell from now on; None where the policy says that none is recorded. Raises ``EngineError``."""

    async def end(self, session: Session) -> None:
        """It is over. Never raises."""


@dataclass(slots=True, eq=False)
class _Held:
    """A session with the place that it holds in use. ``over``: there is nothing more to be done about it."""

    session: Session
    place: Place
    way: contextlib.AsyncExitStack
    closing: bool = field(default=False)


class ShellService:
    """Every shell that operators of this Engine have open."""

    def __init__(
        self,
        *,
        devices: DeviceService,
        signing: Sealer,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        uses: UseRecorder,
        rights: Rights,
        way: Way,
        port: int = SHELL_PORT,
        recorders: Recorders | None = None,
    ) -> None:
        self._devices = devices
        self._signing = signing
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._uses = uses
        self._way = way
        self._port = port
        self._recorders = recorders
        self._away = Away(rights=rights, way=way, signing=signing, clock=clock, randomness=randomness, port=port)
        self._rights_changed = False
        self._tasks: Supervisor | None = None
        self._sessions: dict[str, Session] = {}
        self._held: dict[str, _Held] = {}
        self._ends: asyncio.Queue[tuple[_Held | None, Session, Ended]] = asyncio.Queue()
        devices.on_access_changed(self._access_changed)

    # --- for operators; called by ``gateway``

    async def open(self, principal: Principal, name: str, asked: ShellAsked, *, host: str, address: str) -> Seat:
        """Open a shell, or take one up again. Who asks is on record before the device is asked.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: the device is not active or said no, there is no tunnel to it, or the shell is gone.
            RateLimited: too many are open already.
            Unavailable: the device did not answer.
        """
        record = self._devices.by_agent_id(principal, name)
        if record.auth.status != "active":
            raise Conflict("device_not_active", f"The device is {record.auth.status}: nobody opens a shell there.")
        session = self._session_for(principal, record, asked, address)
        is_first = session.session_id not in self._sessions
        self._sessions[session.session_id] = session
        session.turn += 1
        seat = Seat(session, session.turn)
        try:
            detail: dict[str, Any] = {"session": session.session_id, "account": asked.user or "the agent's own"}
            await self._record("shell.open" if asked.seen == NEW else "shell.return", session, detail)
            if is_first and self._recorders is not None:
                session.recorder = await self._recorders.begin(session, asked.columns, asked.rows)
            if is_first:
                await self._begin_use(session, asked)
            await self._connect(seat, record, asked, host)
        except BaseException as error:
            if is_first or (isinstance(error, EngineError) and error.code == "shell_gone"):
                session.ended = Ended(error.detail if isinstance(error, EngineError) else "It was not opened.")
                self._let_go(session, close=is_first)
            elif seat.current:
                session.end(Ended("", lost=True))
                session.alone_since = self._clock.monotonic()
            raise
        return seat

    def leave(self, seat: Seat, *, for_good: bool = False) -> None:
        """The operator is gone, or does not want the shell any more. Never waits; the device is told soon."""
        session = seat.session
        if not seat.current or self._sessions.get(session.session_id) is not session:
            return
        if for_good:
            session.end(Ended("It was closed."))
            self._let_go(session, close=True)
        elif session.ended is not None and not session.ended.lost:
            self._let_go(session, close=False)
        else:
            session.end(Ended("You left it.", lost=True))
            session.alone_since = self._clock.monotonic()
            # From now on nobody else asks for their rights, which may have changed at this moment.
            self._rights_changed = True
            self._release(session)

    def rights_changed(self) -> None:
        """Some operator's rights changed: ask for those of who is away. Never waits."""
        self._rights_changed = True

    def expel(self, seat: Seat) -> None:
        """Whose right is gone has no shell any more. Never waits."""
        if seat.current:
            self._expel(seat.session, SIGNED_OUT)

    def open_shells(self, principal: Principal, guid: str = "") -> list[OpenShell]:
        """The shells that are open, of one device or of all, as far as the operator may see the devices."""
        found = []
        for one in self._sessions.values():
            if principal.sees_site(one.site_id) and (not guid or one.guid == guid):
                found.append(
                    OpenShell(
                        session_id=one.session_id,
                        guid=one.guid,
                        hostname=one.hostname,
                        username=one.principal.username,
                        user=one.user,
                        shell=one.shell,
                        since=one.opened_at,
                        connected=one.alone_since is None,
                        recorded=one.recorder is not None,
                    )
                )
        return sorted(found, key=lambda one: one.since)

    async def end(self, principal: Principal, session_id: str, *, address: str) -> None:
        """End anybody's shell on a device that the operator sees.

        Raises:
            NotFound: there is none, or it is out of sight.
        """
        session = self._sessions.get(session_id)
        if session is None or not principal.sees_site(session.site_id):
            raise NotFound("shell_not_found", "There is no such shell, or it has ended.")
        detail = {"session": session_id, "of": session.principal.username}
        await self._audit.record(
            AuditEntry(
                principal.username, "shell.end", "device", session.guid, detail, address, site_id=session.site_id
            )
        )
        self._expel(session, f"{principal.username} ended it.")

    # --- the driver

    async def run_loop(self) -> None:
        """Tell devices of ends, and end what nobody comes back to or has no tunnel any more; a supervised task."""
        async with Supervisor() as tasks:
            self._tasks = tasks
            try:
                while True:
                    end = None
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(CHECK_SECONDS):
                            end = await self._ends.get()
                    if end is not None:
                        await self._carry_out(*end)
                    await self._look_around()
            finally:
                self._tasks = None

    async def _look_around(self) -> None:
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            if session.alone_since is not None and now - session.alone_since >= DETACHED_SECONDS:
                session.ended = Ended(GONE)
                self._let_go(session, close=True)
        for held in list(self._held.values()):
            if held.place.ended.is_set():
                held.session.end(Ended(NO_TUNNEL))
                self._let_go(held.session, close=False)
        if self._rights_changed:
            self._rights_changed = False
            for session in [one for one in self._sessions.values() if one.alone_since is not None]:
                await self._ask_for_rights(session)

    async def _ask_for_rights(self, session: Session) -> None:
        try:
            if await self._away.may_come_back(session):
                return
        except EngineError:
            self._rights_changed = True  # nobody could tell; asked again at the next look
            return
        if session.alone_since is not None:
            self._expel(session, SIGNED_OUT)

    async def close(self) -> None:
        """Let go of every device; the shells wait there for the next Engine. For the end of the Engine."""
        for session in list(self._sessions.values()):
            session.end(Ended("The Engine ends.", lost=True))
            self._let_go(session, close=False)
        while not self._ends.empty():
            await self._carry_out(*self._ends.get_nowait())

    def statistics(self) -> Mapping[str, int]:
        """Sizes, for metrics and debugging."""
        return {"shells": len(self._sessions), "connected": len(self._held)}

    # --- inside

    def _session_for(self, principal: Principal, record: DeviceRecord, asked: ShellAsked, address: str) -> Session:
        session_id = asked.session_id or self._randomness.uuid()
        known = self._sessions.get(session_id)
        if known is not None:
            if asked.seen == NEW:
                raise Conflict("shell_open", "A shell of this id is open already. Choose another id.")
            if known.principal.username != principal.username or known.guid != record.guid:
                raise Conflict("shell_gone", "This shell has ended, or it is not yours.")
            self._release(known)  # one connection at a time: a newer one takes its place
            known.principal, known.address = principal, address
            return known
        if sum(one.principal.username == principal.username for one in self._sessions.values()) >= MAX_SHELLS:
            raise RateLimited(10.0, f"You have {MAX_SHELLS} shells open already. Close some first.")
        return Session(
            session_id=session_id,
            guid=record.guid,
            hostname=record.hostname,
            site_id=record.auth.site_id,
            agent_id=record.agent_id,
            principal=principal,
            address=address,
            opened_at=self._clock.now(),
            record=record,
        )

    async def _connect(self, seat: Seat, record: DeviceRecord, asked: ShellAsked, host: str) -> None:
        session = seat.session
        async with contextlib.AsyncExitStack() as way:
            place = await way.enter_async_context(
                self._way.to(session.principal, record, port=self._port, host=host, address=session.address)
            )
            now = self._clock.now()
            order = ShellOrder(
                order_id=self._randomness.uuid(),
                session_id=session.session_id,
                device_guid=record.guid,
                asked_by=session.principal.username,
                columns=asked.columns,
                rows=asked.rows,
                issued_at=now,
                expires_at=now + SHELL_ORDER_SECONDS,
                user=asked.user,
                seen=asked.seen,
            )
            envelope = self._signing.seal(SHELL_TYPE, order.to_payload())
            line = await ShellLine.open(place, envelope, self._clock, SHELL)
            # Its rights, or the device's, may have changed while it was connected; whoever changed them ended it.
            if self._sessions.get(session.session_id) is not session:
                await line.end()
                raise Conflict("rights_changed", "Rights changed meanwhile. Ask again.")
            if not seat.current:
                line.cut()
                raise Conflict("shell_taken", "This shell was taken up elsewhere meanwhile.")
            session.began(line)
            self._held[session.session_id] = _Held(session, place, way.pop_all())

    def _let_go(self, session: Session, *, close: bool) -> None:
        """Forget a session, and have the rest done soon. ``close``: the device is told to end the shell."""
        if self._sessions.get(session.session_id) is session:
            del self._sessions[session.session_id]
        held = self._held.pop(session.session_id, None)
        if held is not None:
            held.closing = close
            if not close and session.line is not None:
                session.line.cut()
        elif close and session.line is not None and self._tasks is not None:
            self._tasks.start("end a shell that nobody is connected to", self._away.end(session))
        assert session.ended is not None
        self._ends.put_nowait((held, session, session.ended))

    def _release(self, session: Session) -> None:
        """Let go of the connection and keep the session."""
        held = self._held.pop(session.session_id, None)
        if held is not None:
            if session.line is not None:
                session.line.cut()
            self._ends.put_nowait((held, session, Ended("", lost=True)))

    async def _carry_out(self, held: _Held | None, session: Session, how: Ended) -> None:
        try:
            if held is not None:
                if held.closing and session.line is not None:
                    await session.line.end()
                await held.way.aclose()
        except EngineError as error:
            log.warning("the way to a shell could not be given back", error_code=error.code)
        if self._sessions.get(session.session_id) is session or session.on_record:
            return
        session.on_record = True
        if self._recorders is not None and session.recorder is not None:
            await self._recorders.end(session)
        detail: dict[str, Any] = {
            "session": session.session_id,
            "seconds": round(self._clock.now() - session.opened_at),
            "status": how.status,
            "reason": how.reason,
        }
        try:
            await self._record("shell.close", session, detail)
            await self._end_use(session, how)
        except EngineError as error:
            log.error("the end of a shell is not on record", error_code=error.code)

    async def _begin_use(self, session: Session, asked: ShellAsked) -> None:
        session.use = await self._uses.begin(
            RowKind.SHELL,
            # An Engine that was restarted knows nothing of what the shell printed before: that is another row.
            "Remote shell" if asked.seen == NEW else "Remote shell, taken up again",
            guid=session.guid,
            hostname=session.hostname,
            site_id=session.site_id,
            by=session.principal.username,
            context=RunContext.SYSTEM,
            user=asked.user,
            run_id=session.recorder.recording_id if session.recorder is not None else "",
        )

    async def _end_use(self, session: Session, how: Ended) -> None:
        if session.use is None:
            return
        status = RunStatus.INTERRUPTED if how.lost else RunStatus.COMPLETED
        if session.line is None:
            status = RunStatus.FAILED  # it was never open
        await self._uses.end(session.use, status, how.reason, exit_code=how.status, user=session.user)

    async def _record(self, action: str, session: Session, detail: dict[str, Any]) -> None:
        await self._audit.record(
            AuditEntry(
                session.principal.username,
                action,
                "device",
                session.guid,
                detail,
                session.address,
                site_id=session.site_id,
            )
        )

    def _access_changed(self, guid: str) -> None:
        state = self._devices.auth_state(guid)
        for session in self._of_device(guid):
            if state is None or state.status != "active":
                self._expel(session, NOT_ACTIVE)
            elif not session.principal.sees_site(state.site_id):
                self._expel(session, NOT_YOURS)
            else:
                session.site_id = state.site_id

    def _expel(self, session: Session, reason: str) -> None:
        if self._sessions.get(session.session_id) is session:
            if session.ended is None or session.ended.lost:
                session.ended = Ended(reason)
            self._let_go(session, close=True)

    def _of_device(self, guid: str) -> Iterator[Session]:
        yield from [one for one in self._sessions.values() if one.guid == guid]
