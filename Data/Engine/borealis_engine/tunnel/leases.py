"""The leases there are, in memory and in the database: opened, kept, ended, and taken up again after a restart."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.activity import RowKind, Use, UseRecorder
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, EngineError
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.devices import DeviceRecord
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database
from borealis_engine.tunnel import store, watching
from borealis_engine.tunnel.models import ENGINE, SCRIPT_NAME, Lease, TunnelRow
from borealis_engine.tunnel.pool import AddressPool, PoolExhausted
from borealis_wire.events import RunContext, RunStatus
from borealis_wire.tunnel import TunnelEnd, join_endpoint

log = get_logger("VPN_Tunnel/tunnel")


class Leases:
    """By the device's GUID; one a device, and one device an address."""

    def __init__(
        self, *, db: Database, clock: Clock, randomness: Randomness, uses: UseRecorder, settings: TunnelSettings
    ) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._uses = uses
        self._settings = settings
        self._pool = AddressPool(settings.network, settings.engine_address)
        self._by_guid: dict[str, Lease] = {}

    def __iter__(self) -> Iterator[Lease]:
        return iter(list(self._by_guid.values()))

    def __len__(self) -> int:
        return len(self._by_guid)

    def get(self, guid: str) -> Lease | None:
        """The lease of a device."""
        return self._by_guid.get(guid)

    def holds(self, lease: Lease) -> bool:
        """Whether this very lease has not ended."""
        return self._by_guid.get(lease.guid) is lease

    async def load(self, *, possible: bool) -> None:
        """Take up what was live when the last life of the Engine ended; what cannot be is ended now.

        Afterwards exactly the tunnels that are taken up are under way in activity, each once.
        """
        under_way = await self._uses.under_way(RowKind.TUNNEL)
        for row in await self._db.read(store.load_live):
            used_at = watching.used_at_after_restart(
                row["last_used"],
                monotonic=self._clock.monotonic(),
                now=self._clock.now(),
                idle_seconds=self._settings.idle_seconds,
            )
            lease = _from_row(row, used_at or 0.0)
            lease.use = under_way.pop(lease.tunnel_id, None) or await self._begin_use(lease)
            if possible and used_at is not None and self._pool.fits(lease.address) and lease.guid not in self._by_guid:
                self._pool.reserve(lease.address)
                self._by_guid[lease.guid] = lease
            else:
                reason = TunnelEnd.IDLE_TIMEOUT if used_at is None else TunnelEnd.SERVER_STOP
                await self.record_end(lease, reason, ENGINE)
        for use in under_way.values():
            await self._uses.end(use, RunStatus.COMPLETED, TunnelEnd.SERVER_STOP.value)

    async def open(  # noqa: PLR0917
        self, record: DeviceRecord, principal: Principal, key: str, host: str, ports: tuple[int, ...], address: str
    ) -> Lease:
        """A new one, on record before anything happens.

        Raises:
            Conflict: ``vpn_ip_pool_exhausted``.
            Unavailable: the database is gone.
        """
        try:
            virtual = self._pool.take()
        except PoolExhausted as error:
            detail = f"No address is left: {error}. End tunnels that nobody uses."
            raise Conflict("vpn_ip_pool_exhausted", detail) from error
        now = self._clock.now()
        lease = Lease(
            id=0,
            tunnel_id=self._randomness.uuid().replace("-", ""),
            guid=record.guid,
            hostname=record.hostname,
            site_id=record.site_id,
            address=virtual,
            public_key=key,
            endpoint=join_endpoint(self._settings.endpoint or host, self._settings.port),
            started_by=principal.username,
            started_at=now,
            operators={principal.username: principal},
            ports=ports,
            last_used=now,
            used_at=self._clock.monotonic(),
        )
        deed = entry("tunnel.connect", lease, principal.username, address)

        def along(conn: Connection) -> None:
            audit_store.record(conn, deed, now)
            lease.id = store.open_tunnel(conn, lease)

        try:
            lease.use = await self._begin_use(lease, along)
        except BaseException:
            self._pool.give_back(virtual)
            raise
        self._by_guid[record.guid] = lease
        log.info("a tunnel is opened", guid=record.guid, tunnel_id=lease.tunnel_id, address=virtual)
        return lease

    async def keep(self, leases: Sequence[Lease], deed: AuditEntry | None = None) -> None:
        """Write what changed. Raises ``Unavailable``."""
        rows, now = [store.changes(lease) for lease in leases], self._clock.now()

        def work(conn: Connection) -> None:
            store.keep(conn, rows)
            if deed is not None:
                audit_store.record(conn, deed, now)

        if rows:
            await self._db.write(work)
            for lease in leases:
                lease.dirty = False
                if deed is not None and lease.use is not None:
                    self._uses.tell(lease.use)

    def drop(self, lease: Lease) -> None:
        """It is over: nobody finds it any more. Its address is given back by :meth:`forget`."""
        del self._by_guid[lease.guid]
        lease.ended.set()

    def forget(self, lease: Lease, reason: TunnelEnd) -> None:
        """The interface has forgotten the device: somebody else may get the address."""
        self._pool.give_back(lease.address)
        log.info("a tunnel has ended", guid=lease.guid, tunnel_id=lease.tunnel_id, reason=reason.value)

    async def record_end(self, lease: Lease, reason: TunnelEnd, actor: str, address: str = "") -> None:
        """Write the end down. Never raises for the database's sake: it is over all the same."""
        now, deed = self._clock.now(), entry("tunnel.end", lease, actor, address, reason=reason.value)

        def along(conn: Connection) -> None:
            store.close_tunnel(conn, lease, reason=reason.value, now=now)
            audit_store.record(conn, deed, now)

        assert lease.use is not None
        status = RunStatus.FAILED if reason is TunnelEnd.FAILED else RunStatus.COMPLETED
        try:
            await self._uses.end(lease.use, status, reason.value, along=along)
        except EngineError as error:
            # The next life of the Engine finds it idle, and writes that down.
            log.error("the end of a tunnel is not on record", tunnel_id=lease.tunnel_id, error_code=error.code)
            self._uses.tell(lease.use)

    async def history(self, guid: str, limit: int) -> list[TunnelRow]:
        """What a device had, newest first."""
        return await self._db.read(partial(store.history, guid=guid, limit=limit))

    async def prune(self, before: float) -> None:
        """Delete what ended before then (Unix seconds). Raises ``Unavailable``."""
        await self._db.write(partial(store.prune, before=before))

    async def _begin_use(self, lease: Lease, along: Callable[[Connection], object] | None = None) -> Use:
        return await self._uses.begin(
            RowKind.TUNNEL,
            SCRIPT_NAME,
            guid=lease.guid,
            hostname=lease.hostname,
            site_id=lease.site_id,
            by=lease.started_by,
            context=RunContext.SYSTEM,
            run_id=lease.tunnel_id,
            along=along,
        )


def _from_row(row: Mapping[str, Any], used_at: float) -> Lease:
    same = ("id", "tunnel_id", "guid", "hostname", "site_id", "address", "public_key", "endpoint", "started_by")
    return Lease(
        **{name: row[name] for name in (*same, "started_at", "ports", "last_used", "received", "sent")},
        operators=dict.fromkeys(row["operators"]),
        used_at=used_at,
    )


def entry(action: str, lease: Lease, actor: str, address: str, **detail: Any) -> AuditEntry:
    """A deed for the audit log."""
    about = {"tunnel_id": lease.tunnel_id, "virtual_ip": lease.address, **detail}
    return AuditEntry(actor, action, "device", lease.guid, about, address, site_id=lease.site_id)
