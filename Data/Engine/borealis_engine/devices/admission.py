"""Letting a device in, inside enrolment's transaction: new, or with a new key for a known GUID.

Called by ``enrolment`` when a device has proven its key; nothing here decides whether it may come in. After the
commit the caller tells :meth:`DeviceService.admitted`.
"""

from sqlalchemy import Connection, select

from borealis_engine.core.errors import Conflict
from borealis_engine.core.ids import Randomness
from borealis_engine.devices import store
from borealis_engine.devices.models import ACTIVE, DeviceAuth, DeviceRecord
from borealis_engine.devices.names import clean_hostname, free_hostname
from borealis_engine.devices.tables import sites

find_by_fingerprint = store.find_by_fingerprint
find_by_guid = store.find_by_guid
find_by_hostname = store.find_by_hostname


def admit(
    conn: Connection,
    *,
    guid: str | None,
    hostname: str,
    fingerprint: str,
    public_key_spki: bytes,
    site_id: int | None,
    now: float,
    randomness: Randomness,
) -> DeviceAuth:
    """Record a device as active (upstream-contract 1.2 and 1.3).

    Args:
        conn: the caller's write transaction.
        guid: the device to take over; None, or one that is gone by now, makes a new one.
        hostname: as claimed; cleaned, and given a suffix where another device has it. A name that an operator
            gave to a known device stays.
        fingerprint: of the new key.
        public_key_spki: the new key.
        site_id: where it goes; None, or a site that is gone by now, leaves a known device where it is.
        now: Unix seconds.
        randomness: for a new GUID.

    Raises:
        Conflict: ``duplicate_identity``: another device has this key.
    """
    holder = store.find_by_fingerprint(conn, fingerprint)
    if holder is not None and holder.guid != guid:
        raise Conflict("duplicate_identity", f"The device {holder.hostname} has this key. Two cannot share one.")
    if site_id is not None and conn.execute(select(sites.c.id).where(sites.c.id == site_id)).first() is None:
        site_id = None
    known = store.load(conn, guid) if guid is not None else None
    claimed = clean_hostname(hostname)
    if known is None:
        new_guid = randomness.uuid().upper()
        auth = DeviceAuth(
            guid=new_guid,
            hostname=_free(conn, claimed, new_guid),
            fingerprint=fingerprint,
            public_key_spki=public_key_spki,
            token_version=1,
            status=ACTIVE,
            site_id=site_id,
        )
        store.insert_device(conn, auth, reported_hostname=claimed, now=now)
        return auth
    new_key = known.auth.fingerprint != fingerprint
    keep_name = known.named_by_operator or not claimed or claimed == known.reported_hostname
    auth = DeviceAuth(
        guid=known.guid,
        hostname=known.hostname if keep_name else _free(conn, claimed, known.guid),
        fingerprint=fingerprint,
        public_key_spki=public_key_spki,
        # A device that comes back from being revoked starts anew too: tokens from before must not hold again.
        token_version=known.auth.token_version + (new_key or known.status != ACTIVE),
        status=ACTIVE,
        site_id=known.site_id if site_id is None else site_id,
    )
    _readmit(conn, known, auth, claimed or known.reported_hostname, now)
    return auth


def _readmit(conn: Connection, known: DeviceRecord, auth: DeviceAuth, reported_hostname: str, now: float) -> None:
    values = {
        "hostname": auth.hostname,
        "reported_hostname": reported_hostname,
        "ssl_key_fingerprint": auth.fingerprint,
        "public_key_spki": auth.public_key_spki,
        "token_version": auth.token_version,
        "status": auth.status,
        "site_id": auth.site_id,
    }
    if known.auth.fingerprint != auth.fingerprint:
        values |= {"key_added_at": now, "duplicate_suspected": False, "duplicate_reason": ""}
        store.add_key(conn, known.guid, auth.fingerprint, now)
    store.update_device(conn, known.guid, values)


def _free(conn: Connection, claimed: str, guid: str) -> str:
    return free_hostname(claimed, guid, lambda name: store.hostname_taken(conn, name, other_than=guid))
