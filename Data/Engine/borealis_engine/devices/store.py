"""SQL of devices and their inventory. Plain functions of a connection; services decide and keep memory in step."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.devices.inventory import Section
from borealis_engine.devices.models import MAY_CONNECT, REPORTED, DeviceAuth, DeviceRecord, KnownDeviceRow
from borealis_engine.devices.names import hostname_key
from borealis_engine.devices.tables import device_inventory, device_keys, devices

_KNOWN_COLUMNS: Final = (
    devices.c.guid,
    devices.c.hostname,
    devices.c.ssl_key_fingerprint,
    devices.c.status,
    devices.c.site_id,
    devices.c.last_seen,
    devices.c.token_version,
)
SEEN: Final = ("last_seen", "uptime", "cpu_percent", "memory_percent", "address")
"""What nearly every heartbeat changes."""
TOLD: Final = (*REPORTED, "roles")
"""What a heartbeat changes now and then."""
_UPDATE_SEEN: Final = (
    update(devices).where(devices.c.guid == bindparam("key")).values({name: bindparam(f"new_{name}") for name in SEEN})
)
_UPDATE_TOLD: Final = (
    update(devices)
    .where(devices.c.guid == bindparam("key"))
    .values({name: bindparam(f"new_{name}", type_=devices.c[name].type) for name in TOLD})
)


def find_by_guid(conn: Connection, guid: str) -> KnownDeviceRow | None:
    """The device with this GUID."""
    return _known(conn, devices.c.guid == guid)


def find_by_fingerprint(conn: Connection, fingerprint: str) -> KnownDeviceRow | None:
    """The device that has this key now."""
    return _known(conn, devices.c.ssl_key_fingerprint == fingerprint)


def find_by_hostname(conn: Connection, hostname: str) -> KnownDeviceRow | None:
    """The device of this name, however it is capitalised."""
    return _known(conn, devices.c.hostname_key == hostname_key(hostname))


def hostname_taken(conn: Connection, hostname: str, *, other_than: str) -> bool:
    """Whether another device has this name."""
    found = conn.execute(select(devices.c.guid).where(devices.c.hostname_key == hostname_key(hostname))).scalar()
    return found is not None and found != other_than


def load_all(conn: Connection) -> list[DeviceRecord]:
    """Every device, without inventory."""
    return [_record(row) for row in conn.execute(select(devices)).mappings()]


def load(conn: Connection, guid: str) -> DeviceRecord | None:
    """One device, without inventory."""
    row = conn.execute(select(devices).where(devices.c.guid == guid)).mappings().first()
    return None if row is None else _record(row)


def insert_device(conn: Connection, auth: DeviceAuth, *, reported_hostname: str, now: float) -> None:
    """Record a new device and its key."""
    conn.execute(
        insert(devices).values(
            guid=auth.guid,
            hostname=auth.hostname,
            hostname_key=hostname_key(auth.hostname),
            reported_hostname=reported_hostname,
            named_by_operator=False,
            description="",
            status=auth.status,
            site_id=auth.site_id,
            ssl_key_fingerprint=auth.fingerprint,
            public_key_spki=auth.public_key_spki,
            token_version=auth.token_version,
            key_added_at=now,
            created_at=now,
            last_seen=0.0,
            address="",
            uptime=0,
            roles={},
            duplicate_suspected=False,
            duplicate_reason="",
            **dict.fromkeys(REPORTED, ""),
        )
    )
    add_key(conn, auth.guid, auth.fingerprint, now)


def add_key(conn: Connection, guid: str, fingerprint: str, now: float) -> None:
    """Note which key a device has from now on; its other ones are retired."""
    conn.execute(
        update(device_keys)
        .where(
            device_keys.c.guid == guid,
            device_keys.c.ssl_key_fingerprint != fingerprint,
            device_keys.c.retired_at.is_(None),
        )
        .values(retired_at=now)
    )
    again = conn.execute(
        update(device_keys)
        .where(device_keys.c.guid == guid, device_keys.c.ssl_key_fingerprint == fingerprint)
        .values(retired_at=None)
    )
    if not again.rowcount:
        conn.execute(insert(device_keys).values(guid=guid, ssl_key_fingerprint=fingerprint, added_at=now))


def update_device(conn: Connection, guid: str, values: Mapping[str, Any]) -> None:
    """Change columns of one device; ``hostname`` brings its key with it.

    Raises:
        NotFound: ``device_not_found``: it was deleted meanwhile; ``site_not_found``: so was the site.
        Conflict: ``hostname_taken``.
    """
    changes = dict(values)
    if "hostname" in changes:
        if hostname_taken(conn, changes["hostname"], other_than=guid):
            raise name_taken(changes["hostname"])
        changes["hostname_key"] = hostname_key(changes["hostname"])
    try:
        changed = conn.execute(update(devices).where(devices.c.guid == guid).values(**changes)).rowcount
    except IntegrityError as error:  # another Engine on the same database came between the two statements
        if "hostname" in changes:
            raise name_taken(changes["hostname"]) from error
        raise NotFound("site_not_found", "The site was removed meanwhile.") from error
    if not changed:
        raise not_found()


def set_status(conn: Connection, guid: str, status: str) -> None:
    """Change the status of a device that is not revoked; the database judges two who do it at once.

    Raises:
        NotFound: ``device_not_found``: it was deleted meanwhile.
        Conflict: ``device_revoked``.
    """
    guarded = update(devices).where(devices.c.guid == guid, devices.c.status.in_(sorted(MAY_CONNECT)))
    if conn.execute(guarded.values(status=status)).rowcount:
        return
    known = find_by_guid(conn, guid)
    if known is None:
        raise not_found()
    if known.status != status:
        raise revoked(known.hostname, known.status)


def mark_duplicate(conn: Connection, guid: str, reason: str) -> bool:
    """Note a suspicion; False where it is noted already, or the device is gone."""
    marked = update(devices).where(devices.c.guid == guid, devices.c.duplicate_suspected.is_(False))
    return conn.execute(marked.values(duplicate_suspected=True, duplicate_reason=reason)).rowcount == 1


def delete_device(conn: Connection, guid: str) -> None:
    """Forget a device, its keys and its inventory.

    Raises:
        NotFound: ``device_not_found``.
    """
    if not conn.execute(delete(devices).where(devices.c.guid == guid)).rowcount:
        raise not_found()


def write_seen(conn: Connection, rows: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]]) -> None:
    """What heartbeats said, for many devices at once; devices that are gone are passed over."""
    if rows:
        conn.execute(_UPDATE_SEEN, rows)
    if told:
        conn.execute(_UPDATE_TOLD, told)


def seen_row(record: DeviceRecord) -> dict[str, Any]:
    """Parameters of :func:`write_seen` for what nearly every heartbeat changes."""
    return {"key": record.guid, **{f"new_{name}": getattr(record, name) for name in SEEN}}


def told_row(record: DeviceRecord) -> dict[str, Any]:
    """Parameters of :func:`write_seen` for what a heartbeat changes now and then."""
    return {"key": record.guid, **{f"new_{name}": getattr(record, name) for name in TOLD}}


def load_inventory(conn: Connection, guid: str) -> list[RowMapping]:
    """All sections of one device: section, body, digest, dropped, changed_at."""
    return list(conn.execute(select(device_inventory).where(device_inventory.c.guid == guid)).mappings())


def load_sections(conn: Connection, guid: str, names: Sequence[str]) -> dict[str, RowMapping]:
    """Some sections of one device, by name."""
    query = select(device_inventory).where(device_inventory.c.guid == guid, device_inventory.c.section.in_(names))
    return {row["section"]: row for row in conn.execute(query).mappings()}


def section_digests(conn: Connection, guid: str) -> dict[str, str]:
    """Which sections a device has, and the digest of each."""
    query = select(device_inventory.c.section, device_inventory.c.digest).where(device_inventory.c.guid == guid)
    return {row.section: row.digest for row in conn.execute(query)}


def put_sections(conn: Connection, guid: str, sections: Sequence[Section], now: float) -> None:
    """Store sections, each in place of what it was."""
    if not sections:
        return
    names = [section.name for section in sections]
    conn.execute(delete(device_inventory).where(device_inventory.c.guid == guid, device_inventory.c.section.in_(names)))
    conn.execute(
        insert(device_inventory),
        [
            {
                "guid": guid,
                "section": section.name,
                "body": section.body,
                "digest": section.digest,
                "dropped": section.dropped,
                "changed_at": now,
            }
            for section in sections
        ],
    )


def guids_of(conn: Connection, *, site_id: int) -> list[str]:
    """The devices of a site."""
    return list(conn.execute(select(devices.c.guid).where(devices.c.site_id == site_id)).scalars())


def not_found() -> NotFound:
    """The error for a device that is not there, or not for this caller."""
    return NotFound("device_not_found", "There is no such device, or it is not in your sites.")


def revoked(hostname: str, status: str) -> Conflict:
    """The error for a device that no status change brings back."""
    return Conflict("device_revoked", f"{hostname} is {status}. It comes back by enrolling again and being approved.")


def name_taken(hostname: str) -> Conflict:
    """The error for a name that another device has."""
    return Conflict("hostname_taken", f"Another device is named {hostname!r}. Choose another name.")


def _known(conn: Connection, condition: ColumnElement[bool]) -> KnownDeviceRow | None:
    row = conn.execute(select(*_KNOWN_COLUMNS).where(condition)).first()
    return None if row is None else KnownDeviceRow(*row)


def _record(row: RowMapping) -> DeviceRecord:
    members = dict(row)
    auth = DeviceAuth(
        guid=members.pop("guid"),
        hostname=members.pop("hostname"),
        fingerprint=members.pop("ssl_key_fingerprint"),
        public_key_spki=members.pop("public_key_spki"),
        token_version=members.pop("token_version"),
        status=members.pop("status"),
        site_id=members.pop("site_id"),
    )
    del members["hostname_key"]
    return DeviceRecord(auth=auth, **members)
