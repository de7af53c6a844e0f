"""Asks devices for their screens, and hands what comes to whoever asked. Nothing of it is kept."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.activity import UseRecorder
from borealis_engine.audit import AuditEntry, AuditLog
from borealis_engine.core.errors import Conflict, EngineError, RateLimited, Unavailable
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.operators.permissions import Principal
from borealis_engine.screens.endings import OVER, Ending, Endings, over_of
from borealis_engine.screens.looks import Over, failed, picture_name, watch_name
from borealis_engine.screens.models import Picture, PictureAsked, ScreenList, WatchAsked, Watcher, WindowList
from borealis_engine.screens.mosaic import SIGNATURES, BadFrame, FrameHead
from borealis_engine.screens.ports import ScreenLink, Sealer
from borealis_engine.screens.watches import Key, Viewer, Watch
from borealis_wire.envelope import SCREEN_TYPE
from borealis_wire.events import REFUSAL_ADVICE, EngineEvent, RefusalCode, RunContext, RunStatus
from borealis_wire.screen import SCREEN_ORDER_SECONDS, ImageFormat, ScreenAction, ScreenOrder

CONTEXT: Final = RunContext.INTERACTIVE
ACK_SECONDS: Final = 10.0
TAKEN_SECONDS: Final = 2.0
"""A device whose picture nobody has taken for so long may send the next one all the same."""
MAX_WAITING: Final = 4
"""Pictures and lists that one device is asked for at the same time."""
MAX_WATCHES: Final = 4
MAX_VIEWERS: Final = 16
CHECK_SECONDS: Final = 1.0

GONE: Final = "The signed-in user's agent lost its connection, or the user signed out."
NOT_ACTIVE: Final = "The device is not active any more."
NOT_YOURS: Final = "You may not see this device any more."
ENGINE_ENDS: Final = "The Engine ends."

log = get_logger("agents")


@dataclass(slots=True, eq=False)
class _Waiting:
    """Somebody waits for what an order brings."""

    guid: str
    user: str
    action: ScreenAction
    answer: "asyncio.Future[Any]"
    format: ImageFormat


class ScreenService:
    """Pictures, lists and live views of all devices."""

    def __init__(
        self,
        *,
        devices: DeviceService,
        signing: Sealer,
        audit: AuditLog,
        clock: Clock,
        randomness: Randomness,
        uses: UseRecorder,
    ) -> None:
        self._devices = devices
        self._signing = signing
        self._audit = audit
        self._clock = clock
        self._randomness = randomness
        self._endings = Endings(audit=audit, uses=uses, tell=self._tell_device)
        self._link: ScreenLink | None = None
        self._waiting: dict[str, _Waiting] = {}
        self._watches: dict[Key, Watch] = {}
        devices.on_access_changed(self._access_changed)

    def bind_link(self, link: ScreenLink) -> None:
        """Where devices are reached; once, before the first look."""
        self._link = link

    # --- what operators ask for

    async def picture(self, principal: Principal, guid: str, asked: PictureAsked, *, address: str) -> Picture:
        """One picture of the signed-in user's screen. Who asked is on record before the device is.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: nobody is signed in there, the device said no, or there is no screen; the detail says which.
            Unavailable: it did not come in time.
            RateLimited: too many wait for this device already.
        """
        record, user = self._reachable(principal, guid, asked.user)
        detail: dict[str, Any] = {"monitor": asked.monitor, "format": asked.format.value, **_whose(user)}
        if asked.region is not None:
            detail["region"] = asked.region.to_json()
        order = self._order(
            record.guid,
            principal.username,
            ScreenAction.PICTURE,
            monitor=asked.monitor,
            region=asked.region,
            format=asked.format,
            quality=asked.quality,
            user=asked.user,
        )
        entry = _entry("screen.picture", record, principal, detail, address)
        data = await self._look(order, user, asked.seconds, entry, shown=(record, picture_name(asked)))
        assert isinstance(data, bytes)
        return Picture(data, asked.format)

    async def surroundings(
        self, principal: Principal, guid: str, *, seconds: float, address: str, user: str = ""
    ) -> ScreenList:
        """Monitors and windows of a signed-in user, as for :meth:`picture`, which says what it raises."""
        record, whose = self._reachable(principal, guid, user)
        order = self._order(record.guid, principal.username, ScreenAction.LIST, user=user)
        entry = _entry("screen.list", record, principal, _whose(whose), address)
        found = await self._look(order, whose, seconds, entry)
        assert isinstance(found, WindowList)
        return ScreenList(found.user, found.monitors, found.windows, found.note)

    def watchers(self, principal: Principal, guid: str) -> tuple[DeviceRecord, bool, list[Watcher]]:
        """The device, whether somebody signed in there can be looked at, and who watches live.

        Raises:
            NotFound: no such device, or out of sight.
        """
        record = self._devices.get(principal, guid)
        reachable = self._link is not None and self._link.user_for(record.guid) is not None
        found = [
            Watcher(
                viewer.principal.username,
                watch.asked.monitor,
                watch.asked.rate,
                watch.asked.quality,
                viewer.since,
                watch.user,
            )
            for watch in self._watches.values()
            if watch.guid == record.guid
            for viewer in watch.viewers
        ]
        return record, reachable, sorted(found, key=lambda one: (one.since, one.username))

    async def watch(self, principal: Principal, guid: str, asked: WatchAsked, *, address: str) -> Viewer:
        """Watch live. Who watches a monitor that is watched already sees the same view, at its rate and quality.

        Raises:
            NotFound: no such device, or out of sight.
            Conflict: as :meth:`picture`.
            RateLimited: too many watch already.
        """
        record, user = self._reachable(principal, guid, asked.user)
        key = (record.guid, user, asked.monitor)
        watch = self._watches.get(key)
        is_first = watch is None
        if watch is None:
            if sum(one.guid == record.guid for one in self._watches.values()) >= MAX_WATCHES:
                raise RateLimited(10.0, f"{MAX_WATCHES} monitors of this device are watched already.")
            watch = self._new_watch(record, user, asked)
        if len(watch.viewers) >= MAX_VIEWERS:
            raise RateLimited(10.0, f"{MAX_VIEWERS} people watch this monitor already.")
        viewer = Viewer(watch, principal, self._clock.now(), address)
        watch.viewers.add(viewer)
        try:
            await self._audit.record(self._entry("screen.watch", viewer))
            viewer.use = await self._endings.begin_use(record, user, principal.username, watch_name(asked))
            if is_first:
                await self._begin(record, principal, watch)
            else:
                await asyncio.shield(watch.started)
        except BaseException as error:
            if viewer.use is not None:
                self._endings.note(Ending(record.guid, user, over=[failed(viewer.use, error)]))
                viewer.use = None
            if is_first:
                gone = Unavailable("screen_timeout", "Who started the live view went away. Start again.")
                self._not_begun(watch, gone)
            self.leave(viewer)
            raise
        return viewer

    def leave(self, viewer: Viewer, reason: str = "") -> None:
        """Somebody watches no more; with the last one the view ends. Never waits; the device is told soon."""
        watch = viewer.watch
        if viewer not in watch.viewers:
            return
        watch.viewers.discard(viewer)
        viewer.end("")
        entries = [self._entry("screen.watch_end", viewer)]
        ending = Ending(watch.guid, watch.user, entries=entries, over=over_of([viewer], reason))
        if not watch.viewers:
            self._forget(watch)
            ending.order_id, ending.asked_by = watch.order_id, viewer.principal.username
        self._endings.note(ending)

    # --- what devices bring; called by ``gateway``

    def picture_arrived(self, guid: str, order_id: str, data: bytes, *, user: str = "") -> dict[str, str]:
        """``agent_screenshot_task``. What nobody waits for is dropped, and what another user's agent sends."""
        waiting = self._claimed(guid, user, order_id, ScreenAction.PICTURE)
        if waiting is None:
            return {"status": "gone"}
        if data.startswith(SIGNATURES[waiting.format]):
            waiting.answer.set_result(data)
            return {"status": "ok"}
        waiting.answer.set_exception(Unavailable("screen_unreadable", "What the device sent is not such a picture."))
        return {"status": "refused"}

    def windows_arrived(self, guid: str, found: WindowList, *, user: str = "") -> dict[str, str]:
        """``agent_window_list``."""
        waiting = self._claimed(guid, user, found.order_id, ScreenAction.LIST)
        if waiting is None:
            return {"status": "gone"}
        waiting.answer.set_result(found)
        return {"status": "ok"}

    async def frame_arrived(self, guid: str, head: FrameHead, data: bytes, *, user: str = "") -> dict[str, str]:
        """``screen_frame``; the acknowledgement comes once somebody has taken it, which holds the device back."""
        watch = self._watch_of(guid, user, head.order_id)
        if watch is None or not watch.viewers:
            return {"status": "gone"}
        if not head.tiles:
            return {"status": "ok"}  # it rests, and says so
        try:
            watch.mosaic.apply(head, data)
        except BadFrame as error:
            log.warning("a live view was ended", guid=guid, reason=str(error))
            self._end(watch, f"The device sent what is no picture: {error}.", tell_device=True)
            return {"status": "gone"}
        watch.tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_SECONDS):
                await watch.wait_taken()
        return {"status": "ok"} if watch.viewers else {"status": "gone"}

    def ended(self, guid: str, order_id: str, reason: str, *, user: str = "") -> None:
        """``screen_ended``: a look that came to nothing, or a view that is over."""
        waiting = self._waiting.get(order_id)
        if waiting is not None and (waiting.guid, waiting.user) == (guid, user) and not waiting.answer.done():
            waiting.answer.set_exception(Conflict("no_picture", reason or "The device could not take the picture."))
        watch = self._watch_of(guid, user, order_id)
        if watch is not None:
            self._end(watch, reason or "The device ended the live view.", tell_device=False)

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """The socket that brought it all is gone."""
        if context is not CONTEXT:
            return
        for waiting in self._waiting.values():
            if (waiting.guid, waiting.user) == (guid, user) and not waiting.answer.done():
                waiting.answer.set_exception(Conflict("not_connected", GONE))
        for watch in self._of_device(guid):
            if watch.user == user:
                self._end(watch, GONE, tell_device=False)

    # --- the driver

    async def run_loop(self) -> None:
        """Tell devices to end what nobody watches, end what is over; a supervised task."""
        while True:
            await self._endings.carry_out_next(CHECK_SECONDS)
            now = self._clock.monotonic()
            for watch in [one for one in self._watches.values() if one.until <= now]:
                self._end(watch, OVER, tell_device=True)

    async def close(self) -> None:
        """Everybody who watches is told, and devices are too; for the end of the Engine."""
        for watch in list(self._watches.values()):
            self._end(watch, ENGINE_ENDS, tell_device=True)
        await self._endings.carry_out_all()

    def statistics(self) -> Mapping[str, int]:
        """Sizes, for metrics and debugging."""
        return {
            "live_views": len(self._watches),
            "viewers": sum(len(watch.viewers) for watch in self._watches.values()),
            "kept_bytes": sum(watch.mosaic.size for watch in self._watches.values()),
            "waiting": len(self._waiting),
        }

    # --- inside

    def _reachable(self, principal: Principal, guid: str, user: str) -> tuple[DeviceRecord, str]:
        """The device, and whose agent there is asked; an empty name is an agent that names nobody."""
        record = self._devices.get(principal, guid)
        if record.auth.status != "active":
            raise Conflict("device_not_active", f"The device is {record.auth.status}: nobody looks at its screen.")
        found = self._link.user_for(record.guid) if self._link is not None else None
        if user and found is not None and self._link is not None and user != found:
            found = user if self._link.has_session(record.guid, CONTEXT, user) else None
        if found is None:
            if self._devices.is_connected(record.guid):
                who = user or "Nobody"
                state = "is not signed in there" if user else "is signed in there"
                raise Conflict("no_session", f"{who} {state}, or the signed-in user's agent does not run.")
            raise Conflict("not_connected", "The device is not connected now.")
        return record, found

    def _order(self, guid: str, asked_by: str, action: ScreenAction, **more: Any) -> ScreenOrder:
        now = self._clock.now()
        more.setdefault("order_id", self._randomness.uuid())
        return ScreenOrder(
            device_guid=guid,
            context=CONTEXT,
            action=action,
            issued_at=now,
            expires_at=now + SCREEN_ORDER_SECONDS,
            asked_by=asked_by,
            **more,
        )

    async def _look(
        self,
        order: ScreenOrder,
        user: str,
        seconds: float,
        entry: AuditEntry,
        shown: tuple[DeviceRecord, str] | None = None,
    ) -> Any:
        """``shown``: what activity shows of it; None for what it does not show."""
        guid = order.device_guid
        if sum(one.guid == guid for one in self._waiting.values()) >= MAX_WAITING:
            raise RateLimited(2.0, f"{MAX_WAITING} looks at this device wait for their answers already.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[order.order_id] = _Waiting(guid, user, order.action, answer, order.format)
        try:
            await self._audit.record(entry)
            if shown is None:
                return await self._answer_to(order, user, answer, seconds)
            use = await self._endings.begin_use(shown[0], user, order.asked_by, shown[1])
            try:
                found = await self._answer_to(order, user, answer, seconds)
            except BaseException as error:
                self._endings.note(Ending(guid, user, over=[failed(use, error)]))
                raise
            self._endings.note(Ending(guid, user, over=[Over(use, RunStatus.SUCCESS)]))
            return found
        finally:
            del self._waiting[order.order_id]
            if answer.done() and not answer.cancelled():
                answer.exception()  # it was heard, or nobody is left to hear it
            answer.cancel()

    async def _answer_to(self, order: ScreenOrder, user: str, answer: "asyncio.Future[Any]", seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                await self._send(order, user)
                return await answer
        except TimeoutError as error:
            raise Unavailable("screen_timeout", f"The device did not answer in {seconds:g} s. Try again.") from error

    async def _send(self, order: ScreenOrder, user: str) -> None:
        assert self._link is not None
        is_list = order.action is ScreenAction.LIST
        event = EngineEvent.LIST_AGENT_WINDOWS if is_list else EngineEvent.SCREEN_ORDER
        envelope = self._signing.seal(SCREEN_TYPE, order.to_payload())
        said = await self._link.send_sealed(event, order.device_guid, CONTEXT, {"envelope": envelope}, user=user)
        if said is None:
            raise Conflict("not_connected", GONE)
        if said.get("status") == "accepted":
            return
        reason = str(said.get("reason", ""))
        if reason in set(RefusalCode):
            raise Conflict(
                "screen_refused", f"The device refused the order ({reason}). {REFUSAL_ADVICE[RefusalCode(reason)]}"
            )
        raise Conflict("no_picture", str(said.get("detail") or "The device cannot show its screen.")[:500])

    def _new_watch(self, record: DeviceRecord, user: str, asked: WatchAsked) -> Watch:
        watch = Watch(
            order_id=self._randomness.uuid(),
            guid=record.guid,
            user=user,
            site_id=record.auth.site_id,
            asked=asked,
            until=self._clock.monotonic() + asked.seconds,
            started=asyncio.get_running_loop().create_future(),
        )
        self._watches[watch.key] = watch
        return watch

    async def _begin(self, record: DeviceRecord, principal: Principal, watch: Watch) -> None:
        asked = watch.asked
        order = self._order(
            record.guid,
            principal.username,
            ScreenAction.WATCH,
            order_id=watch.order_id,
            monitor=asked.monitor,
            quality=asked.quality,
            rate=asked.rate,
            seconds=asked.seconds,
            user=asked.user,
        )
        try:
            async with asyncio.timeout(ACK_SECONDS):
                await self._send(order, watch.user)
        except TimeoutError as error:
            failure: EngineError = Unavailable("screen_timeout", f"No answer in {ACK_SECONDS:g} s. Try again.")
            self._not_begun(watch, failure)
            raise failure from error
        except EngineError as error:
            self._not_begun(watch, error)
            raise
        if not watch.started.done():
            watch.started.set_result(None)

    def _not_begun(self, watch: Watch, failure: EngineError) -> None:
        if not watch.started.done():
            watch.started.set_exception(failure)
            watch.started.exception()  # nobody else may wait for it
        self._forget(watch)

    def _claimed(self, guid: str, user: str, order_id: str, action: ScreenAction) -> _Waiting | None:
        waiting = self._waiting.get(order_id)
        if waiting is None or (waiting.guid, waiting.user, waiting.action) != (guid, user, action):
            return None
        return None if waiting.answer.done() else waiting

    def _watch_of(self, guid: str, user: str, order_id: str) -> Watch | None:
        here = self._of_device(guid)
        return next((watch for watch in here if watch.order_id == order_id and watch.user == user), None)

    def _of_device(self, guid: str) -> list[Watch]:
        return [watch for watch in self._watches.values() if watch.guid == guid]

    def _end(self, watch: Watch, reason: str, *, tell_device: bool) -> None:
        self._forget(watch)
        viewers, watch.viewers = watch.viewers, set()
        for viewer in viewers:
            viewer.end(reason)
        watch.took()
        entries = [self._entry("screen.watch_end", viewer) for viewer in viewers]
        order_id = watch.order_id if tell_device else ""
        self._endings.note(Ending(watch.guid, watch.user, order_id, "", entries, over_of(viewers, reason)))

    def _forget(self, watch: Watch) -> None:
        if self._watches.get(watch.key) is watch:
            del self._watches[watch.key]

    def _entry(self, action: str, viewer: Viewer) -> AuditEntry:
        watch = viewer.watch
        detail: dict[str, Any] = {"monitor": watch.asked.monitor, **_whose(watch.user)}
        if action == "screen.watch_end":
            detail |= {"seconds": round(self._clock.now() - viewer.since), "frames": viewer.sent}
        else:
            detail |= {"rate": watch.asked.rate, "quality": watch.asked.quality}
        return AuditEntry(
            viewer.principal.username, action, "device", watch.guid, detail, viewer.address, site_id=watch.site_id
        )

    async def _tell_device(self, ending: Ending) -> None:
        if self._link is None or not self._link.has_session(ending.guid, CONTEXT, ending.user):
            return
        order = self._order(ending.guid, ending.asked_by, ScreenAction.STOP, watch_id=ending.order_id)
        async with asyncio.timeout(ACK_SECONDS):
            await self._send(order, ending.user)

    def _access_changed(self, guid: str) -> None:
        state = self._devices.auth_state(guid)
        if state is None or state.status != "active":
            for waiting in self._waiting.values():
                if waiting.guid == guid and not waiting.answer.done():
                    waiting.answer.set_exception(Conflict("device_not_active", NOT_ACTIVE))
            for watch in self._of_device(guid):
                self._end(watch, NOT_ACTIVE, tell_device=True)
            return
        for watch in self._of_device(guid):
            for viewer in [one for one in watch.viewers if not one.principal.sees_site(state.site_id)]:
                self.leave(viewer, NOT_YOURS)
                viewer.ended = NOT_YOURS


def _whose(user: str) -> dict[str, Any]:
    return {"user": user} if user else {}


def _entry(action: str, record: DeviceRecord, principal: Principal, detail: dict[str, Any], address: str) -> AuditEntry:
    return AuditEntry(principal.username, action, "device", record.guid, detail, address, site_id=record.auth.site_id)
