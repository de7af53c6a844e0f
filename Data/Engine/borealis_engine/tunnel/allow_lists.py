"""Which ports of a device the Engine may reach: what somebody set, else the default of the device's system."""

from collections.abc import Sequence

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Invalid
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.devices import DeviceRecord
from borealis_engine.storage import Database
from borealis_engine.tunnel import store
from borealis_engine.tunnel.models import MAX_PORTS, PortList


class AllowLists:
    """All of them, in memory; what was set, in the database too."""

    def __init__(self, *, db: Database, clock: Clock, settings: TunnelSettings) -> None:
        self._db = db
        self._clock = clock
        self._settings = settings
        self._set: dict[str, PortList] = {}

    async def start(self) -> None:
        """Load what was set."""
        self._set = await self._db.read(store.load_ports)

    def of(self, record: DeviceRecord) -> PortList:
        """A device's list."""
        return self._set.get(record.guid) or self._default(record)

    async def change(self, record: DeviceRecord, ports: Sequence[int] | None, actor: str, address: str) -> PortList:
        """Set it, on record; None for the default again. Gives what holds now.

        Raises:
            Invalid: not ports, or too many.
        """
        if ports is not None and (len(set(ports)) > MAX_PORTS or not all(1 <= port <= 65535 for port in ports)):
            raise Invalid("invalid_ports", f"Give at most {MAX_PORTS} ports, each from 1 to 65535.")
        now, before = self._clock.now(), self.of(record)
        if ports is None:
            after = self._default(record)
        else:
            after = PortList(record.guid, tuple(sorted(set(ports))), custom=True, updated_at=now, updated_by=actor)
        detail = {"before": list(before.ports), "after": list(after.ports)}
        entry = AuditEntry(actor, "tunnel.ports", "device", record.guid, detail, address, site_id=record.site_id)

        def work(conn: Connection) -> None:
            store.set_ports(conn, after)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        if after.custom:
            self._set[record.guid] = after
        else:
            self._set.pop(record.guid, None)
        return after

    def _default(self, record: DeviceRecord) -> PortList:
        ports = self._settings.default_ports(record.operating_system)
        return PortList(record.guid, tuple(ports), custom=False)
