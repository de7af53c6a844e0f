"""Rolls a package out: a few devices at a time, on their way until the device has told the end of it."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, NotFound
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.devices import DeviceQuery, DeviceRecord
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database
from borealis_engine.updates import store
from borealis_engine.updates.models import (
    LIVE,
    UNDER_WAY,
    Asked,
    Begun,
    Rollout,
    RolloutState,
    Skipped,
    Update,
    UpdateState,
    next_step,
)
from borealis_engine.updates.package import Package, Packages
from borealis_engine.updates.ports import Devices, Sealer, UpdateLink
from borealis_wire.envelope import UPDATE_TYPE
from borealis_wire.events import REFUSAL_ADVICE, EngineEvent, OperatorEvent, RefusalCode, RunContext
from borealis_wire.updates import UPDATE_ORDER_SECONDS, UpdateOrder, UpdateStatus, UpdateTold

CONTEXT: Final = RunContext.SYSTEM
ACK_SECONDS: Final = 15.0
TICK_SECONDS: Final = 2.0
BUSY_SECONDS: Final = 60.0
"""A device that has no time is asked again after that."""
SILENT_SECONDS: Final = 4 * 3600.0
"""An update that was begun and of which nothing was heard for so long counts as failed."""
QUEUED_SECONDS: Final = 30 * 24 * 3600.0
MAX_LISTED: Final = 50
MAX_TOLD: Final = 100

_STATES: Final[Mapping[str, UpdateState]] = {
    UpdateStatus.STARTED: UpdateState.STARTED,
    UpdateStatus.WAITING: UpdateState.WAITING,
    UpdateStatus.INSTALLED: UpdateState.INSTALLED,
    UpdateStatus.ROLLED_BACK: UpdateState.ROLLED_BACK,
    UpdateStatus.ERROR: UpdateState.FAILED,
}
log = get_logger("updates")


class UpdateService:
    """Every rollout that goes on is in memory; the database is written first, always."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        feed: ChangeFeed,
        devices: Devices,
        signing: Sealer,
        packages: Packages,
    ) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._feed = feed
        self._devices = devices
        self._signing = signing
        self._packages = packages
        self._link: UpdateLink | None = None
        self._running: dict[str, Rollout] = {}
        self._not_before: dict[str, float] = {}
        self._sending: set[str] = set()
        self._wake = asyncio.Event()

    def bind_link(self, link: UpdateLink) -> None:
        """Where devices are reached; once, before the first order."""
        self._link = link

    async def start(self) -> None:
        """Load what goes on. An order that may never have left is sent again: a device that had it says so."""
        self._running = {one.rollout_id: one for one in await self._db.read(store.load_running)}
        for rollout in self._running.values():
            for one in rollout.of({UpdateState.ORDERED}):
                one.state = UpdateState.QUEUED

    # --- for devices

    async def package(self, sha256: str) -> Package:
        """What a device fetches.

        Raises:
            NotFound: ``package_not_found``: another package is handed out now.
        """
        package = await asyncio.to_thread(self._packages.by_digest, sha256)
        if package is None:
            raise NotFound("package_not_found", "This Engine does not hand out that package (any more).")
        return package

    async def told(self, guid: str, message: UpdateTold) -> dict[str, str]:
        """A device tells of its update; gives the acknowledgement. An update that is over stays as it is."""
        found = self._live(guid, message.request_id)
        if found is None:
            return {"status": "ok", "ignored": "unknown_update"}
        rollout, update = found
        state = _STATES[message.status]
        reason = message.error if message.error else ""
        if state in UNDER_WAY and state is update.state and reason == update.reason:
            return {"status": "ok"}
        await self._change(rollout, [update], state, reason)
        log.info("update", guid=guid, request_id=update.request_id, state=state.value, reason=reason)
        self._wake.set()
        return {"status": "ok"}

    # --- for operators

    async def current_package(self) -> Package:
        """What would be rolled out now. Raises ``Conflict`` with ``no_package``."""
        return await asyncio.to_thread(self._packages.current)

    async def begin(self, principal: Principal, asked: Asked, *, address: str) -> Begun:
        """Roll the package out to devices; recorded before the first of them hears of it.

        Raises:
            NotFound: ``device_not_found`` or ``site_not_found``; nothing was begun.
            Conflict: ``nothing_to_update``: all of them are up to date, on the way, or may not work; or ``no_package``.
        """
        package = await self.current_package()
        targets = await self._devices.targets(
            principal.sites,
            guids=asked.guids,
            hostnames=asked.hostnames,
            site_ids=asked.site_ids,
            all_devices=asked.all_devices,
        )
        now = self._clock.now()
        rollout = Rollout(
            rollout_id=self._randomness.uuid(),
            build_id=package.build_id,
            release=package.release,
            sha256=package.sha256,
            size=package.size,
            allow_older=asked.allow_older,
            at_once=asked.at_once,
            stop_after=asked.stop_after,
            requested_by=principal.username,
            created_at=now,
        )
        skipped, entries = [], []
        on_the_way = {one.guid for each in self._running.values() for one in each.of(LIVE)}
        for target in targets:
            record = self._devices.get(principal, target.guid)
            why = "under_way" if record.guid in on_the_way else _why_not(record, package)
            if why:
                skipped.append(Skipped(record.guid, record.hostname, why))
                continue
            update = Update(
                self._randomness.uuid(),
                rollout.rollout_id,
                record.guid,
                record.agent_build_id,
                UpdateState.QUEUED,
                now,
                now,
            )
            rollout.updates[update.request_id] = update
            entries.append(_entry("agent.update", principal, rollout, record, address))
        if not rollout.updates:
            raise Conflict("nothing_to_update", _nothing(skipped))

        def work(connection: Connection) -> None:
            store.add(connection, rollout)
            for entry in entries:
                audit_store.record(connection, entry, now)

        await self._db.write(work)
        self._running[rollout.rollout_id] = rollout
        log.info("rollout begun", rollout_id=rollout.rollout_id, devices=len(rollout.updates), by=principal.username)
        self._publish(rollout, rollout.updates.values())
        self._wake.set()
        return Begun(rollout, skipped)

    async def stop(self, principal: Principal, rollout_id: str, *, address: str) -> Rollout:
        """Begin no further update of a rollout; those that devices have begun go on to their end.

        Raises:
            NotFound: ``rollout_not_found``; also where none of its devices is in sight.
            Forbidden: ``site_limited``: some of its devices are out of sight.
            Conflict: ``rollout_over``.
        """
        rollout = self._running.get(rollout_id)
        if rollout is None:
            if await self.rollouts(principal, rollout_id=rollout_id):
                raise Conflict("rollout_over", "The rollout is over already; there is nothing to stop.")
            raise _no_rollout()
        visible = self._visible(principal)
        seen = [one.guid in visible for one in rollout.updates.values()]
        if not any(seen):
            raise _no_rollout()
        if not all(seen):
            raise Forbidden("site_limited", "Some of its devices are in sites that you may not see.")
        entry = AuditEntry(
            actor=principal.username,
            action="agent.update.stop",
            target_kind="rollout",
            target=rollout.rollout_id,
            address=address,
        )
        await self._stop(rollout, f"Stopped by {principal.username}.", entry)
        return rollout

    async def rollouts(self, principal: Principal, *, rollout_id: str = "", guid: str = "") -> list[Rollout]:
        """Rollouts, newest first, each with those of its updates whose devices the operator may see."""
        found = await self._db.read(partial(store.load_newest, limit=MAX_LISTED, rollout_id=rollout_id, guid=guid))
        visible = self._visible(principal)
        for rollout in found:
            rollout.updates = {key: one for key, one in rollout.updates.items() if one.guid in visible}
        return [rollout for rollout in found if rollout.updates]

    async def rollout(self, principal: Principal, rollout_id: str) -> Rollout:
        """One rollout.

        Raises:
            NotFound: ``rollout_not_found``; also where none of its devices is in sight.
        """
        for found in await self.rollouts(principal, rollout_id=rollout_id):
            return found
        raise _no_rollout()

    def hostnames(self, principal: Principal) -> dict[str, str]:
        """GUID to name, of the devices that an operator may see."""
        return {guid: record.hostname for guid, record in self._visible(principal).items()}

    # --- the driver

    async def run_loop(self) -> None:
        """Send orders as devices come and updates end; a supervised task."""
        while True:
            for rollout in list(self._running.values()):
                await self._step(rollout)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS if self._running else None):
                    await self._wake.wait()

    async def _step(self, rollout: Rollout) -> None:
        await self._give_up(rollout)
        if rollout.state is not RolloutState.RUNNING:
            return
        now = self._clock.monotonic()
        reachable = frozenset(
            one.guid
            for one in rollout.of({UpdateState.QUEUED})
            if self._can_hear(one.guid) and self._not_before.get(one.request_id, now) <= now
        )
        step = next_step(rollout, reachable)
        if step.stop:
            await self._stop(rollout, step.stop, None)
        elif step.done:
            await self._end(rollout, RolloutState.DONE, "")
        elif step.send:
            await asyncio.gather(*(self._send(rollout, update) for update in step.send))
            self._wake.set()

    async def _send(self, rollout: Rollout, update: Update) -> None:
        """One order. Noted as ordered before it leaves, so that its outcome is never of an unknown one."""
        assert self._link is not None
        standing = self._devices.auth_state(update.guid)
        if standing is None:
            await self._change(rollout, [update], UpdateState.CANCELLED, "The device is not there any more.")
            return
        now = self._clock.now()
        order = UpdateOrder(
            request_id=update.request_id,
            device_guid=update.guid,
            build_id=rollout.build_id,
            release=rollout.release,
            sha256=rollout.sha256,
            size=rollout.size,
            allow_older=rollout.allow_older,
            issued_at=now,
            expires_at=now + UPDATE_ORDER_SECONDS,
        )
        payload = {
            "target_hostname": standing.hostname,
            "request_id": update.request_id,
            "envelope": self._signing.seal(UPDATE_TYPE, order.to_payload()),
        }
        await self._change(rollout, [update], UpdateState.ORDERED, "")
        answer: dict[str, Any] | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACK_SECONDS):
                answer = await self._link.send_sealed(EngineEvent.AGENT_SILENT_UPDATE, update.guid, CONTEXT, payload)
        if update.state is not UpdateState.ORDERED:
            return  # the device has told more meanwhile
        if answer is None:
            await self._later(rollout, update, "The line broke before the device had answered.", BUSY_SECONDS / 4)
        elif answer.get("status") != "accepted":
            await self._refused(rollout, update, str(answer.get("reason", "")))

    async def _refused(self, rollout: Rollout, update: Update, code: str) -> None:
        if code == RefusalCode.REPLAYED:
            return  # it had the order before a line broke: its outcome is on the way
        advice = REFUSAL_ADVICE[RefusalCode(code)] if code in set(RefusalCode) else "The device did not say why."
        if code == RefusalCode.BUSY:
            await self._later(rollout, update, "The device has another update to finish, or no room.", BUSY_SECONDS)
            return
        await self._change(rollout, [update], UpdateState.REFUSED, f"{code or 'refused'}: {advice}"[:1000])

    async def _later(self, rollout: Rollout, update: Update, reason: str, seconds: float) -> None:
        self._not_before[update.request_id] = self._clock.monotonic() + seconds
        await self._change(rollout, [update], UpdateState.QUEUED, reason)

    async def _give_up(self, rollout: Rollout) -> None:
        now = self._clock.now()
        silent = [one for one in rollout.of(UNDER_WAY) if now - one.changed_at > SILENT_SECONDS]
        if silent:
            await self._change(rollout, silent, UpdateState.FAILED, "The device told nothing of it for four hours.")
        old = [one for one in rollout.of({UpdateState.QUEUED}) if now - one.created_at > QUEUED_SECONDS]
        if old:
            await self._change(rollout, old, UpdateState.EXPIRED, "The device was not there for thirty days.")

    async def _stop(self, rollout: Rollout, reason: str, entry: AuditEntry | None) -> None:
        queued = rollout.of({UpdateState.QUEUED})
        await self._change(rollout, queued, UpdateState.CANCELLED, f"The rollout was stopped: {reason}")
        await self._end(rollout, RolloutState.STOPPED, reason, entry)

    async def _end(self, rollout: Rollout, state: RolloutState, reason: str, entry: AuditEntry | None = None) -> None:
        now = self._clock.now()
        written = replace(rollout, state=state, reason=reason, ended_at=now)

        def work(connection: Connection) -> None:
            store.save_rollout(connection, written)
            if entry is not None:
                audit_store.record(connection, entry, now)

        await self._db.write(work)
        rollout.state, rollout.reason, rollout.ended_at = state, reason, now
        log.info("rollout ended", rollout_id=rollout.rollout_id, state=state.value, reason=reason)
        self._publish(rollout, rollout.updates.values())
        if not rollout.of(UNDER_WAY):
            self._forget(rollout)

    async def _change(self, rollout: Rollout, updates: list[Update], state: UpdateState, reason: str) -> None:
        if not updates:
            return
        now = self._clock.now()
        written = [replace(one, state=state, reason=reason, changed_at=now) for one in updates]
        await self._db.write(partial(store.save, updates=written))
        for one in updates:
            one.state, one.reason, one.changed_at = state, reason, now
        self._publish(rollout, updates)
        if rollout.state is not RolloutState.RUNNING and not rollout.of(LIVE):
            self._forget(rollout)

    def _forget(self, rollout: Rollout) -> None:
        self._running.pop(rollout.rollout_id, None)
        for request_id in rollout.updates:
            self._not_before.pop(request_id, None)

    # --- looking

    def _live(self, guid: str, request_id: str) -> tuple[Rollout, Update] | None:
        for rollout in self._running.values():
            update = rollout.updates.get(request_id)
            if update is not None and update.guid == guid and update.state in LIVE:
                return rollout, update
        return None

    def _can_hear(self, guid: str) -> bool:
        standing = self._devices.auth_state(guid)
        gone = standing is None  # sent, and found to be gone: that ends its update
        active = standing is not None and standing.status == "active"
        return gone or (active and self._link is not None and self._link.has_session(guid, CONTEXT))

    def _visible(self, principal: Principal) -> dict[str, DeviceRecord]:
        return {record.guid: record for record in self._devices.find(principal, DeviceQuery())}

    def _publish(self, rollout: Rollout, updates: Iterable[Update]) -> None:
        # Of very many at once only some: whoever shows updates reads them anew at the first that they hear of.
        for one in islice(updates, MAX_TOLD):
            standing = self._devices.auth_state(one.guid)
            data = {
                "guid": one.guid,
                "hostname": standing.hostname if standing else "",
                "rollout_id": rollout.rollout_id,
                "request_id": one.request_id,
                "build_id": rollout.build_id,
                "state": one.state.value,
                "reason": one.reason,
            }
            site_id = standing.site_id if standing else None
            self._feed.publish(Change(OperatorEvent.AGENT_UPDATE_CHANGED.value, data, one.guid, site_id))

    def statistics(self) -> dict[str, int]:
        """Sizes, for metrics."""
        return {
            "rollouts": len(self._running),
            "under_way": sum(len(rollout.of(UNDER_WAY)) for rollout in self._running.values()),
        }


def _entry(action: str, principal: Principal, rollout: Rollout, record: DeviceRecord, address: str) -> AuditEntry:
    return AuditEntry(
        actor=principal.username,
        action=action,
        target_kind="device",
        target=record.guid,
        detail={
            "hostname": record.hostname,
            "rollout_id": rollout.rollout_id,
            "build_id": rollout.build_id,
            "from_build": record.agent_build_id,
            "allow_older": rollout.allow_older,
        },
        address=address,
        site_id=record.site_id,
    )


def _why_not(record: DeviceRecord, package: Package) -> str:
    if record.status != "active":
        return "not_active"
    return "up_to_date" if record.agent_build_id == package.build_id else ""


def _nothing(skipped: list[Skipped]) -> str:
    words = {"up_to_date": "up to date already", "under_way": "being updated", "not_active": "quarantined or revoked"}
    counts = [f"{sum(one.why == why for one in skipped)} {words[why]}" for why in words]
    told = ", ".join(one for one in counts if not one.startswith("0 "))
    return f"There is nothing to update: {told or 'no device is meant'}."


def _no_rollout() -> NotFound:
    return NotFound("rollout_not_found", "There is no such rollout, or none that you may see.")
