"""Which certificate a device's remote desktop is known by: the first one that it showed, until a person says another.

The tunnel has proved already which device answers; this is about who else on that device might.
"""

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict
from borealis_engine.devices import DeviceRecord
from borealis_engine.operators.permissions import Principal
from borealis_engine.rdp import store
from borealis_engine.storage import Database


class KnownCertificates:
    """All of them, in the database."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def check(
        self, principal: Principal, record: DeviceRecord, shown: str, *, trusted: str, address: str
    ) -> bool:
        """Whether the certificate was known before; one of a device that had none is kept, on record.

        Args:
            principal: who wants to sign in.
            record: the device.
            shown: SHA-256 of what it shows, in hex.
            trusted: what the operator says to trust instead of what is known; empty for nothing.
            address: of the operator.

        Raises:
            Conflict: ``rdp_certificate_changed``.
        """
        known = await self._db.read(lambda connection: store.get(connection, record.guid))
        if known == shown:
            return True
        if known and trusted.replace(":", "").lower() != shown:
            raise Conflict(
                "rdp_certificate_changed",
                f"The device shows another certificate than before. Known: SHA-256 {pretty(known)}; shown now: "
                f"{pretty(shown)}. If you know why (it was set up anew, or made itself a new one), trust the new one; "
                "else find out who answers there before you type a password.",
            )
        now = self._clock.now()
        detail = {"before": known, "after": shown}
        entry = AuditEntry(
            principal.username, "rdp.certificate", "device", record.guid, detail, address, site_id=record.site_id
        )

        def work(connection: Connection) -> None:
            store.put(connection, record.guid, sha256=shown, since=now, trusted_by=principal.username)
            audit_store.record(connection, entry, now)

        await self._db.write(work)
        return False


def pretty(sha256: str) -> str:
    """As people compare it."""
    return bytes.fromhex(sha256).hex(":")
