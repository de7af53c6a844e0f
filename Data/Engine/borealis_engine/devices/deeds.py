"""What operators do to devices: rename, describe, move, quarantine, release, revoke, delete.

Each deed and its audit entry commit together; then memory follows, sockets are checked again, operators are told.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Forbidden, Invalid
from borealis_engine.core.log import get_logger
from borealis_engine.devices import agentless, site_store, store
from borealis_engine.devices.models import ACTIVE, MAY_CONNECT, QUARANTINED, REVOKED, DeviceEdit, DeviceRecord
from borealis_engine.devices.names import check_hostname
from borealis_engine.devices.ports import Actor
from borealis_engine.devices.registry import Registry
from borealis_engine.storage import Database

MAX_DESCRIPTION: Final = 2000
_DEEDS: Final = {ACTIVE: "device.release", QUARANTINED: "device.quarantine", REVOKED: "device.revoke"}
log = get_logger("devices")


class Deeds:
    """Changes of devices by operators. Limits hold: a device out of sight is not found."""

    def __init__(self, *, db: Database, clock: Clock, registry: Registry) -> None:
        self._db = db
        self._clock = clock
        self._registry = registry

    async def set_status(self, actor: Actor, guid: str, status: str, *, address: str) -> DeviceRecord:
        """Quarantine, release or revoke a device; doing it twice changes nothing more.

        Raises:
            NotFound: ``device_not_found``.
            Conflict: ``device_revoked``: a revoked device comes back by a new enrolment only.
        """
        record = self._registry.visible(actor, guid)
        if record.status == status:
            return record
        if record.status not in MAY_CONNECT:
            raise store.revoked(record.hostname, record.status)
        entry = _entry(actor, _DEEDS[status], record, address, before=record.status)
        now = self._clock.now()

        def work(conn: Connection) -> None:
            store.set_status(conn, record.guid, status)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        self._registry.take_auth(record, replace(record.auth, status=status))
        self._registry.access_changed(record.guid)
        self._registry.refresh_online(record)
        self._registry.publish(record, "status")
        log.info("status changed", guid=record.guid, hostname=record.hostname, status=status, by=actor.username)
        return record

    async def edit(self, actor: Actor, guids: Sequence[str], edit: DeviceEdit, *, address: str) -> None:
        """Change devices, all or none.

        Raises:
            NotFound: ``device_not_found`` or ``site_not_found``.
            Forbidden: ``site_limited``: only operators of all sites take a device out of every site.
            Invalid: ``no_fields``, ``invalid_hostname``, ``invalid_description``.
            Conflict: ``hostname_taken``.
        """
        records = [self._registry.visible(actor, guid) for guid in guids]
        common = self._check(actor, edit)
        if edit.hostname is not None and len(records) != 1:
            raise Invalid("invalid_hostname", "Only one device at a time can be renamed.")
        changes = [(record, _really_changed(record, common)) for record in records]
        changes = [(record, values) for record, values in changes if values]
        entries = [entry for record, values in changes for entry in _entries(actor, record, values, address)]
        if not changes:
            return
        await self._write(changes, entries)
        for record, values in changes:
            self._apply(record, values)

    async def add_without_agent(
        self,
        actor: Actor,
        *,
        guid: str,
        hostname: str,
        description: str,
        site_id: int | None,
        connection_type: str,
        endpoint: str,
        also: Callable[[Connection], None],
        address: str,
    ) -> DeviceRecord:
        """Record a device that has no agent; ``also`` is done in the same transaction.

        Raises:
            NotFound: ``site_not_found``.
            Forbidden: ``site_limited``.
            Invalid: ``invalid_hostname``, ``invalid_description``.
            Conflict: ``hostname_taken``.
        """
        agentless.check_site(self._registry, actor, site_id)
        values = self._check(actor, DeviceEdit(hostname=hostname, description=description))
        now = self._clock.now()
        auth = agentless.auth_without_agent(guid, values["hostname"], site_id)
        record = DeviceRecord(
            auth=auth,
            created_at=now,
            key_added_at=now,
            description=values["description"],
            named_by_operator=True,
            connection_type=connection_type,
            connection_endpoint=endpoint,
        )
        entry = _entry(actor, "machine.add", record, address, connection=connection_type, endpoint=endpoint)

        def work(conn: Connection) -> None:
            agentless.insert_without_agent(
                conn,
                auth,
                description=record.description,
                connection_type=connection_type,
                endpoint=endpoint,
                now=now,
            )
            also(conn)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        self._registry.add(record)
        self._registry.publish(record, "added")
        log.info("added without an agent", guid=guid, hostname=record.hostname, by=actor.username)
        return record

    async def reconnect(
        self,
        actor: Actor,
        record: DeviceRecord,
        *,
        connection_type: str,
        endpoint: str,
        changed: Sequence[str],
        also: Callable[[Connection], None],
        address: str,
    ) -> None:
        """Another way to a device that has no agent; ``also`` is done in the same transaction.

        Raises:
            NotFound: ``device_not_found``: it was deleted meanwhile.
        """
        detail = {"connection": connection_type, "endpoint": endpoint, "changed": list(changed)}
        entry = _entry(actor, "machine.change", record, address, **detail)
        now = self._clock.now()
        values = {"connection_type": connection_type, "connection_endpoint": endpoint}

        def work(conn: Connection) -> None:
            store.update_device(conn, record.guid, values)
            also(conn)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        record.connection_type, record.connection_endpoint = connection_type, endpoint
        self._registry.publish(record, "edited")

    async def delete(self, actor: Actor, guid: str, *, address: str) -> None:
        """Forget a device with its key and inventory. Its runs and audit entries stay. Ends its access at once.

        Raises:
            NotFound: ``device_not_found``.
        """
        record = self._registry.visible(actor, guid)
        entry = _entry(actor, "device.delete", record, address, fingerprint=record.auth.fingerprint)
        now = self._clock.now()

        def work(conn: Connection) -> None:
            store.delete_device(conn, record.guid)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        self._registry.remove(record.guid)
        self._registry.access_changed(record.guid)
        self._registry.publish_gone(record, "deleted", record.site_id)
        log.info("deleted", guid=record.guid, hostname=record.hostname, by=actor.username)

    def moved(self, guid: str, site_id: int | None) -> None:
        """The database has a device in another site: memory follows, sockets are checked, operators are told."""
        record = self._registry.get(guid)
        if record is None:
            return
        before = record.site_id
        self._registry.take_auth(record, replace(record.auth, site_id=site_id))
        if before != site_id:
            self._registry.access_changed(guid)
            self._registry.publish_gone(record, "left_site", before)
        self._registry.publish(record, "site")

    def _check(self, actor: Actor, edit: DeviceEdit) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if edit.hostname is not None:
            values["hostname"] = check_hostname(edit.hostname)
        if edit.description is not None:
            if len(edit.description) > MAX_DESCRIPTION or "\x00" in edit.description:
                raise Invalid("invalid_description", f"A description has at most {MAX_DESCRIPTION} characters.")
            values["description"] = edit.description.strip()
        if edit.move:
            if edit.site_id is None and actor.sites is not None:
                raise Forbidden("site_limited", "Only operators of all sites may take a device out of every site.")
            if edit.site_id is not None and (
                edit.site_id not in self._registry.sites or not actor.sees_site(edit.site_id)
            ):
                raise site_store.not_found(str(edit.site_id))
            values["site_id"] = edit.site_id
        if edit.clear_duplicate:
            values |= {"duplicate_suspected": False, "duplicate_reason": ""}
        if not values:
            raise Invalid("no_fields", "Name at least one thing to change: hostname, description, site_id.")
        return values

    def _apply(self, record: DeviceRecord, values: dict[str, Any]) -> None:
        rest = dict(values)
        if "hostname" in rest:
            before = record.hostname
            self._registry.take_auth(record, replace(record.auth, hostname=rest.pop("hostname")))
            record.named_by_operator = rest.pop("named_by_operator", True)
            self._registry.publish(record, "renamed", before=before)
        if "site_id" in rest:
            self.moved(record.guid, rest.pop("site_id"))
        if "duplicate_suspected" in rest:
            self._registry.forget_identity(record.guid)
        for name, value in rest.items():
            setattr(record, name, value)
        if rest:
            self._registry.publish(record, "edited")

    async def _write(
        self, changes: Sequence[tuple[DeviceRecord, dict[str, Any]]], entries: Sequence[AuditEntry]
    ) -> None:
        now = self._clock.now()

        def work(conn: Connection) -> None:
            for record, values in changes:
                store.update_device(conn, record.guid, values)
            for entry in entries:
                audit_store.record(conn, entry, now)

        await self._db.write(work)


def _really_changed(record: DeviceRecord, values: dict[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in values.items() if getattr(record, name) != value}
    if "hostname" in changed:
        changed["named_by_operator"] = True
    return changed


def _entries(actor: Actor, record: DeviceRecord, values: dict[str, Any], address: str) -> list[AuditEntry]:
    entries = []
    if "hostname" in values:
        entries.append(_entry(actor, "device.rename", record, address, to=values["hostname"]))
    if "description" in values:
        entries.append(_entry(actor, "device.describe", record, address, to=values["description"]))
    if "site_id" in values:
        moved = _entry(actor, "device.move", record, address, before=record.site_id, to=values["site_id"])
        # In the logs of both sites: whoever is limited to one of them should see where it came from or went.
        entries += [replace(moved, site_id=site) for site in (record.site_id, values["site_id"]) if site is not None]
    if "duplicate_suspected" in values:
        entries.append(_entry(actor, "device.duplicate_cleared", record, address, reason=record.duplicate_reason))
    return entries


def _entry(actor: Actor, action: str, record: DeviceRecord, address: str, **detail: Any) -> AuditEntry:
    return AuditEntry(
        actor=actor.username,
        action=action,
        target_kind="device",
        target=record.guid,
        detail={"hostname": record.hostname, **detail},
        address=address,
        site_id=record.site_id,
    )
