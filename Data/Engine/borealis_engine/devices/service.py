"""The room of devices in one object: for the doors, for enrolment, and as ``jobs.ports.Targets``."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.audit import AuditLog
from borealis_engine.core.errors import NotFound
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.devices import inventory, site_store, store
from borealis_engine.devices.deeds import Deeds
from borealis_engine.devices.models import DeviceAuth, DeviceQuery, DeviceRecord, KnownDeviceRow, Site
from borealis_engine.devices.names import guid_in, hostname_key, normalise_guid
from borealis_engine.devices.ports import Actor
from borealis_engine.devices.presence import LiveSession
from borealis_engine.devices.registry import Registry
from borealis_engine.devices.reports import Reports
from borealis_engine.devices.sites import Sites
from borealis_engine.storage import Database
from borealis_wire.events import RunContext
from borealis_wire.messages import Details, Heartbeat

TICK_SECONDS: Final = 1.0
log = get_logger("devices")


class DeviceService:
    """Every device, who is there, and what is known of it. All of it but inventory is in memory.

    Attributes:
        deeds: what operators do to devices.
        sites: groups of devices.
    """

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        feed: ChangeFeed,
        audit: AuditLog,
        metrics: Metrics | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self.randomness = randomness
        self.audit = audit
        self._metrics = metrics
        self._registry = Registry(clock=clock, feed=feed)
        self._reports = Reports(db=db, clock=clock, registry=self._registry)
        self.deeds = Deeds(db=db, clock=clock, registry=self._registry)
        self.sites = Sites(db=db, clock=clock, registry=self._registry, deeds=self.deeds)

    async def start(self) -> None:
        """Load devices and sites."""
        records, sites = await self._db.read(lambda conn: (store.load_all(conn), site_store.load_sites(conn)))
        self._registry.load(records, sites)
        log.info("devices loaded", devices=len(records), sites=len(sites))

    async def run_loop(self) -> None:
        """Write heartbeats in batches and turn silent devices offline; run it as a supervised task."""
        try:
            while True:
                await self._clock.sleep(TICK_SECONDS)
                await self._reports.flush()
                self._registry.fade()
        finally:
            await self._reports.flush()

    async def flush(self) -> None:
        """Write what heartbeats changed so far; ``run_loop`` does it by itself, also when it ends."""
        await self._reports.flush()

    # --- for the doors

    def auth_state(self, guid: str) -> DeviceAuth | None:
        """A device's standing as it is now; None where there is no such device."""
        record = self._registry.get(guid)
        return None if record is None else record.auth

    def active_user(self, guid: str) -> str:
        """Who sits at the device's own screen, as its SYSTEM agent said last; empty where that is not known."""
        record = self._registry.get(guid)
        return "" if record is None else record.active_user

    def on_access_changed(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the GUID, at once, whenever a device's status, key or site changed, or it is gone.

        Whoever holds something open for a device asks :meth:`auth_state` again then. Listeners must not wait.
        """
        self._registry.on_access_changed(listener)

    def session_opened(self, guid: str, context: RunContext, address: str, user: str = "") -> None:
        """A session registered; it takes the place of the one that this device, context and user had."""
        record = self._registry.get(guid)
        if record is None:
            return
        replaced = self._registry.presence.open(guid, context, LiveSession(self._clock.now(), address), user)
        if replaced is not None:
            reason = self._registry.watch(guid).session_replaced(
                context, replaced.address, address, self._clock.monotonic()
            )
            if reason is not None:
                self._reports.suspect_duplicate(record, reason)
        was_online = record.online
        self._reports.seen(record, address)
        if replaced is None and was_online:
            self._registry.publish(record, "session")  # online before, by its heartbeats; now with a live session
        self._count_connected()

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """A session ended; not called for one that was replaced by a newer one."""
        if not self._registry.presence.close(guid, context, user):
            return
        self._count_connected()
        record = self._registry.get(guid)
        if record is None:
            return
        record.last_seen, record.seen_at = self._clock.now(), self._clock.monotonic()
        self._reports.note_seen(guid)
        changed = self._registry.refresh_online(record)
        self._registry.publish(record, "offline" if changed else "session")

    async def heartbeat(self, guid: str, context: RunContext, message: Heartbeat, address: str) -> None:
        """Take a heartbeat. See ``Reports.heartbeat`` for what it raises."""
        await self._reports.heartbeat(guid, context, message, address)
        if self._metrics is not None:
            self._metrics.heartbeats.inc()

    async def details(self, guid: str, context: RunContext, message: Details, address: str) -> None:
        """Take inventory. See ``Reports.details`` for what it raises."""
        await self._reports.details(guid, context, message, address)

    # --- for enrolment

    def is_connected(self, guid: str) -> bool:
        """Whether the device has a live session in any context."""
        return self._registry.presence.is_connected(guid)

    async def find_by_fingerprint(self, fingerprint: str) -> KnownDeviceRow | None:
        """The device that has this key now."""
        return await self._db.read(lambda conn: store.find_by_fingerprint(conn, fingerprint))

    async def find_by_hostname(self, hostname: str) -> KnownDeviceRow | None:
        """The device of this name, however it is capitalised."""
        return await self._db.read(lambda conn: store.find_by_hostname(conn, hostname))

    async def find_by_guid(self, guid: str) -> KnownDeviceRow | None:
        """The device with this GUID."""
        return await self._db.read(lambda conn: store.find_by_guid(conn, normalise_guid(guid)))

    def admitted(self, auth: DeviceAuth) -> None:
        """A device was let in and that is committed: know it, end what its earlier key had open, tell operators."""
        record = self._registry.get(auth.guid)
        now = self._clock.now()
        if record is None:
            record = DeviceRecord(auth=auth, created_at=now, key_added_at=now, reported_hostname=auth.hostname)
            self._registry.add(record)
            self._registry.publish(record, "enrolled")
            return
        before = record.auth
        if auth.fingerprint != before.fingerprint:
            record.key_added_at = now
            record.duplicate_suspected, record.duplicate_reason = False, ""
        self._registry.forget_identity(auth.guid)
        self._registry.take_auth(record, auth)
        self._registry.access_changed(auth.guid)
        if auth.site_id != before.site_id:
            self._registry.publish_gone(record, "left_site", before.site_id)
        self._registry.refresh_online(record)
        self._registry.publish(record, "enrolled")

    # --- for operators

    def presence(self, guid: str) -> dict[str, Any]:
        """``{"online", "contexts", "last_seen", "since", "users"}``; of an unknown device: offline, never seen."""
        record = self._registry.get(guid)
        if record is None:
            return {"online": False, "contexts": [], "last_seen": 0.0, "since": {}, "users": []}
        return self._registry.presence.describe(record, self._clock.monotonic())

    def find(self, actor: Actor, query: DeviceQuery) -> list[DeviceRecord]:
        """Devices that an operator may see and that fit, by name; from memory.

        Raises:
            NotFound: ``site_not_found``, for a site they may not see as well.
        """
        if query.site_id is not None:
            self.sites.get(actor, query.site_id)
        now = self._clock.monotonic()
        is_online = self._registry.presence.is_online
        found = []
        for record in self._registry:
            if not actor.sees_site(record.site_id):
                continue
            if query.site_id is not None and record.site_id != query.site_id:
                continue
            if query.hostname and hostname_key(record.hostname) != hostname_key(query.hostname):
                continue
            if query.connection_type and record.connection_type.casefold() != query.connection_type.casefold():
                continue
            if query.status in {"online", "offline"}:
                # Without an agent it is neither: nothing there says so.
                if not record.auth.has_agent or is_online(record, now) != (query.status == "online"):
                    continue
            elif query.status and record.status != query.status:
                continue
            found.append(record)
        found.sort(key=lambda record: hostname_key(record.hostname))
        return found

    def get(self, actor: Actor, guid: str) -> DeviceRecord:
        """One device.

        Raises:
            NotFound: ``device_not_found``; also for one out of sight.
        """
        return self._registry.visible(actor, normalise_guid(guid))

    def by_agent_id(self, actor: Actor, agent_id: str) -> DeviceRecord:
        """One device by upstream's agent id, in which its GUID stands, or by the GUID alone.

        Raises:
            NotFound: as :meth:`get`.
        """
        return self.get(actor, guid_in(agent_id))

    def by_name(self, actor: Actor, hostname: str) -> DeviceRecord:
        """One device by its name.

        Raises:
            NotFound: ``device_not_found``; also for one out of sight.
        """
        record = self._registry.by_name(hostname)
        return self._registry.visible(actor, record.guid if record is not None else "")

    def site_of(self, record: DeviceRecord) -> Site | None:
        """The site that a device is in."""
        return None if record.site_id is None else self._registry.sites.get(record.site_id)

    async def inventory(self, record: DeviceRecord) -> dict[str, Any]:
        """All sections of a device's inventory; the usual ones are there, empty, before it sent any.

        ``dropped`` says of which sections how many items were too many to keep.
        """
        rows = await self._db.read(lambda conn: store.load_inventory(conn, record.guid))
        details: dict[str, Any] = {name: type(value)() for name, value in inventory.EMPTY.items()}
        details |= {row["section"]: inventory.unpack(row["body"]) for row in rows}
        dropped = {row["section"]: row["dropped"] for row in rows if row["dropped"]}
        return {**details, "dropped": dropped} if dropped else details

    # --- jobs.ports.Targets

    async def targets(
        self,
        sites: frozenset[int] | None,
        *,
        guids: Sequence[str],
        hostnames: Sequence[str],
        site_ids: Sequence[int],
        all_devices: bool,
    ) -> list[DeviceAuth]:
        """The devices meant, each once, whatever their status; only what lies within ``sites`` exists.

        ``hostnames`` may name devices by GUID too.

        Raises:
            NotFound: ``device_not_found`` or ``site_not_found``, naming what is not there.
        """
        chosen: dict[str, DeviceAuth] = {}
        missing: list[str] = []
        for name in (*guids, *hostnames):
            record = self._registry.by_name(name) or self._registry.get(normalise_guid(name))
            if record is None or not _within(sites, record.site_id):
                missing.append(name)
            else:
                chosen[record.guid] = record.auth
        if missing:
            named = ", ".join(missing[:20])
            raise NotFound("device_not_found", f"No such device, or not in your sites: {named}. Nothing was started.")
        for site_id in site_ids:
            if site_id not in self._registry.sites or not _within(sites, site_id):
                raise site_store.not_found(str(site_id))
        wanted = set(site_ids)
        for record in self._registry:
            if (all_devices or record.site_id in wanted) and _within(sites, record.site_id):
                chosen[record.guid] = record.auth
        return list(chosen.values())

    async def site_ids(self, sites: frozenset[int] | None, names: Sequence[str]) -> list[int]:
        """The ids of sites by name.

        Raises:
            NotFound: ``site_not_found``; also for one outside ``sites``.
        """
        return self.sites.ids(sites, names)

    def statistics(self) -> dict[str, int]:
        """Counts, for debugging."""
        return {
            "devices": len(self._registry),
            "connected": self._registry.presence.connected_count(),
            **self._reports.statistics(),
        }

    def _count_connected(self) -> None:
        if self._metrics is not None:
            self._metrics.devices_online.set(self._registry.presence.connected_count())


def _within(sites: frozenset[int] | None, site_id: int | None) -> bool:
    return sites is None or (site_id is not None and site_id in sites)
