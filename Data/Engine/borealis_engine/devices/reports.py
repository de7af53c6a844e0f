"""What devices say about themselves: heartbeats and inventory.

A heartbeat costs memory only; what changed is written about once a second, many devices in one transaction, so that
thousands a second are no load. Inventory is on disk before it is acknowledged, because a device sends it once.
Operators are told only of what they can see: online, offline, user, name, role health, inventory.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from borealis_engine.core.log import get_logger
from borealis_engine.devices import inventory, store
from borealis_engine.devices.health import UNWELL, clean_roles, role_states
from borealis_engine.devices.inventory import Section
from borealis_engine.devices.models import DeviceRecord
from borealis_engine.devices.names import clean_hostname, clean_text, looks_like_guid, normalise_guid
from borealis_engine.devices.registry import Registry
from borealis_engine.storage import Database
from borealis_wire.events import RunContext
from borealis_wire.messages import Details, Heartbeat

SHOWN: Final = frozenset({"last_user"})
"""Short fields that operators watch in lists; the rest they see when they look."""
RENAME_SECONDS: Final = 600.0
log = get_logger("devices")


class Reports:
    """Takes what devices send, and writes it."""

    def __init__(self, *, db: Database, clock: Clock, registry: Registry) -> None:
        self._db = db
        self._clock = clock
        self._registry = registry
        self._seen: set[str] = set()
        self._told: set[str] = set()
        self._suspected: set[str] = set()
        self._renamed_at: dict[str, float] = {}
        self._storing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def heartbeat(self, guid: str, context: RunContext, message: Heartbeat, address: str) -> None:
        """Take a heartbeat (upstream-contract 3.1). What is empty in it leaves what is known.

        Raises:
            NotFound: ``device_not_registered``.
            Forbidden: ``guid_mismatch``.
            Invalid, TooLarge: as :meth:`details`, for the inventory that it may carry.
        """
        record = self._require(guid, message.guid)
        sections = inventory.clean_details(message.inventory) if message.inventory else {}
        metrics = message.metrics
        self.seen(record, address)
        uptime = inventory.whole_uptime(metrics.uptime)
        if uptime is not None:
            record.uptime = uptime
            reason = self._registry.watch(guid).uptime_reported(uptime, self._clock.monotonic())
            if reason is not None:
                self.suspect_duplicate(record, reason)
        record.cpu_percent = _percent(metrics.cpu_percent, record.cpu_percent)
        record.memory_percent = _percent(metrics.memory_percent, record.memory_percent)
        self._take_fields(
            record,
            {
                "last_user": metrics.last_user,
                "operating_system": metrics.operating_system,
                "external_ip": message.external_ip,
                "internal_ip": message.internal_ip,
                "device_type": message.device_type,
                "agent_build_id": message.agent_build_id,
            },
        )
        if context is RunContext.SYSTEM:
            record.active_user = metrics.active_user
        self._take_roles(record, context, message.roles)
        await self._take_hostname(record, message.hostname or metrics.hostname, address)
        if sections:
            await self._store(record, sections, "")

    async def details(self, guid: str, context: RunContext, message: Details, address: str) -> None:
        """Take inventory and store it (upstream-contract 3.2); returns once it is on disk.

        Raises:
            NotFound: ``device_not_registered``.
            Forbidden: ``guid_mismatch``.
            Invalid: ``invalid_payload``.
            TooLarge: ``too_large``.
        """
        details = message.details
        if details is None:
            raise Invalid("invalid_payload", "Send the inventory as the object details.")
        summary = details.get("summary")
        claimed = summary.get("agent_guid") if isinstance(summary, dict) else None
        record = self._require(guid, claimed if isinstance(claimed, str) else "")
        complete = frozenset(message.complete)
        sections = inventory.clean_details(details, complete)
        self.seen(record, address)
        await self._store(record, sections, message.agent_build_id, complete)
        if context is RunContext.SYSTEM:
            self._take_fields(record, {"agent_id": message.agent_id})

    def seen(self, record: DeviceRecord, address: str) -> None:
        """A device was heard of now."""
        record.last_seen = self._clock.now()
        record.seen_at = self._clock.monotonic()
        if address:
            record.address = address[:64]
        self._seen.add(record.guid)
        if self._registry.refresh_online(record):
            self._registry.publish(record, "online" if record.online else "offline")

    def note_seen(self, guid: str) -> None:
        """What is known of when and whence a device was heard is to be written."""
        self._seen.add(guid)

    def suspect_duplicate(self, record: DeviceRecord, reason: str) -> None:
        """Two machines seem to share this device's identity (threats 15): tell operators, record and audit it once."""
        if record.duplicate_suspected:
            return
        record.duplicate_suspected, record.duplicate_reason = True, reason
        self._suspected.add(record.guid)
        self._registry.publish(record, "duplicate", reason=reason)
        log.warning("identity in use twice", guid=record.guid, hostname=record.hostname, reason=reason)

    async def flush(self) -> None:
        """Write what was only remembered so far; what cannot be written now stays for the next time."""
        if not (self._seen or self._told or self._suspected):
            return
        waiting = self._seen, self._told, self._suspected
        self._seen, self._told, self._suspected = set(), set(), set()
        seen, told, suspected = (
            [record for guid in guids if (record := self._registry.get(guid)) is not None] for guids in waiting
        )
        seen_rows = [store.seen_row(record) for record in seen]
        told_rows = [store.told_row(record) for record in told]
        suspicions = [(record.guid, record.duplicate_reason, _suspicion(record)) for record in suspected]
        now = self._clock.now()

        def work(conn: Connection) -> None:
            store.write_seen(conn, seen_rows, told_rows)
            for guid, reason, entry in suspicions:
                if store.mark_duplicate(conn, guid, reason):
                    audit_store.record(conn, entry, now)

        try:
            await self._db.write(work)
        except BaseException as error:
            self._seen |= waiting[0]
            self._told |= waiting[1]
            self._suspected |= waiting[2]
            if not isinstance(error, EngineError):
                raise
            log.warning("heartbeats not written yet", devices=len(self._seen), error_code=error.code)

    def statistics(self) -> dict[str, int]:
        """How much waits to be written, for debugging."""
        return {"unwritten_heartbeats": len(self._seen), "unwritten_fields": len(self._told)}

    def _require(self, guid: str, claimed: str) -> DeviceRecord:
        if claimed and normalise_guid(claimed) != guid:
            raise Forbidden("guid_mismatch", "The token is another device's.")
        record = self._registry.get(guid)
        if record is None:
            raise NotFound("device_not_registered", "The Engine has no such device. Enrol it again.")
        return record

    def _take_fields(self, record: DeviceRecord, fields: dict[str, str]) -> None:
        changed = set()
        for name, value in fields.items():
            known = getattr(record, name)
            text = clean_text(value) if value else ""
            # Heartbeat and inventory name the system at different length; the two must not take turns.
            if text and text != known and not (name == "operating_system" and known.startswith(text)):
                setattr(record, name, text)
                changed.add(name)
        if changed:
            self._told.add(record.guid)
        if changed & SHOWN:
            self._registry.publish(record, "user")

    def _take_roles(self, record: DeviceRecord, context: RunContext, roles: dict[str, Any]) -> None:
        if not roles:
            return
        cleaned = clean_roles(roles)
        known = record.roles.get(context.value, {})
        if cleaned == known:
            return
        record.roles = {**record.roles, context.value: cleaned}
        self._told.add(record.guid)
        states, before = role_states(cleaned), role_states(known)
        if states == before:  # a role may report figures that never stand still
            return
        for name, (state, reason) in states.items():
            if state in UNWELL and before.get(name) != (state, reason):
                log.warning("a role is not well", hostname=record.hostname, role=name, state=state, reason=reason)
        self._registry.publish(record, "roles")

    async def _take_hostname(self, record: DeviceRecord, hostname: str, address: str) -> None:
        """Follow a machine that was renamed, unless an operator named the device or another one has the name."""
        claimed = clean_hostname(hostname)
        if not claimed or claimed == record.reported_hostname:
            return
        now, steady = self._clock.now(), self._clock.monotonic()
        if steady - self._renamed_at.get(record.guid, float("-inf")) < RENAME_SECONDS:
            return  # two names in turn, which may be two machines: not a line in the audit log for each heartbeat
        self._renamed_at[record.guid] = steady
        before, record.reported_hostname = record.hostname, claimed
        values: dict[str, Any] = {"reported_hostname": claimed}
        entries = []
        if not record.named_by_operator and not looks_like_guid(claimed) and self._registry.by_name(claimed) is None:
            values["hostname"] = claimed
            entries.append(
                AuditEntry(
                    actor=f"device:{record.guid}",
                    action="device.rename",
                    target_kind="device",
                    target=record.guid,
                    detail={"hostname": before, "to": claimed},
                    address=address,
                    site_id=record.site_id,
                )
            )

        def work(conn: Connection) -> None:
            store.update_device(conn, record.guid, values)
            for entry in entries:
                audit_store.record(conn, entry, now)

        try:
            await self._db.write(work)
        except Conflict:
            return  # another device took the name first; the rest of what was said holds (upstream-contract 3.1)
        if "hostname" in values:
            self._registry.take_auth(record, replace(record.auth, hostname=claimed))
            self._registry.publish(record, "renamed", before=before)

    async def _store(
        self,
        record: DeviceRecord,
        sections: dict[str, tuple[Any, int]],
        build_id: str,
        complete: frozenset[str] = frozenset(),
    ) -> None:
        lock = self._storing.setdefault(record.guid, asyncio.Lock())
        async with lock:  # both agents of a device may send at once, and each merges into what is stored
            await self._store_alone(record, sections, build_id, complete)

    async def _store_alone(
        self, record: DeviceRecord, sections: dict[str, tuple[Any, int]], build_id: str, complete: frozenset[str]
    ) -> None:
        guid = record.guid
        merged = [name for name, (value, _) in sections.items() if isinstance(value, dict) and name not in complete]
        known, digests = await self._db.read(
            lambda conn: (store.load_sections(conn, guid, merged), store.section_digests(conn, guid))
        )
        stored = {name: row["body"] for name, row in known.items()}
        packed = await asyncio.to_thread(_pack, sections, stored)
        changed = [section for section in packed if digests.get(section.name) != section.digest]
        if len(digests.keys() | {section.name for section in packed}) > inventory.MAX_SECTIONS:
            raise Invalid("invalid_payload", f"Details have at most {inventory.MAX_SECTIONS} sections.")
        now = self._clock.now()

        def work(conn: Connection) -> None:
            if store.find_by_guid(conn, guid) is None:
                raise store.not_found()
            store.put_sections(conn, guid, changed, now)

        if changed:
            await self._db.write(work)
        summary: dict[str, Any] = next((section.value for section in packed if section.name == "summary"), {})
        fields = inventory.short_fields(summary)
        self._take_fields(record, {**fields, **({"agent_build_id": build_id} if build_id else {})})
        uptime = inventory.uptime_of(summary)
        if uptime is not None:
            record.uptime = uptime
        if changed:
            self._registry.publish(record, "details", sections=sorted(section.name for section in changed))


def _pack(sections: dict[str, tuple[Any, int]], stored: dict[str, bytes]) -> list[Section]:
    packed = []
    for name, (value, dropped) in sections.items():
        merged = inventory.merge(inventory.unpack(stored[name]), value) if name in stored else value
        packed.append(inventory.pack(name, merged, dropped))
    return packed


def _suspicion(record: DeviceRecord) -> AuditEntry:
    return AuditEntry(
        actor="engine",
        action="device.duplicate_suspected",
        target_kind="device",
        target=record.guid,
        detail={"hostname": record.hostname, "reason": record.duplicate_reason},
        address=record.address,
        site_id=record.site_id,
    )


def _percent(value: float | None, known: float | None) -> float | None:
    return known if value is None or not 0 <= value <= 100 else round(value, 1)
