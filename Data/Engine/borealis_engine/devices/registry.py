"""All devices and sites in memory, and who is told when one changes. The database is written first, always.

Owns the memory of this room; changed on the event loop alone. Called by the services of this room.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.log import get_logger
from borealis_engine.devices.duplicates import IdentityWatch
from borealis_engine.devices.models import DeviceAuth, DeviceRecord, Site
from borealis_engine.devices.names import hostname_key
from borealis_engine.devices.ports import Actor
from borealis_engine.devices.presence import Presence
from borealis_engine.devices.store import not_found
from borealis_wire.events import OperatorEvent
from borealis_wire.limits import ONLINE_WINDOW_SECONDS

KIND: Final = OperatorEvent.DEVICE_CHANGED.value
log = get_logger("devices")


class Registry:
    """Records by GUID and by name, sites by id, presence, and identity watches."""

    def __init__(self, *, clock: Clock, feed: ChangeFeed) -> None:
        self.clock = clock
        self.presence = Presence()
        self.sites: dict[int, Site] = {}
        self._feed = feed
        self._records: dict[str, DeviceRecord] = {}
        self._by_name: dict[str, str] = {}
        self._watches: dict[str, IdentityWatch] = {}
        self._fading: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []

    # --- what there is

    def __iter__(self) -> Iterator[DeviceRecord]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def get(self, guid: str) -> DeviceRecord | None:
        """The record of a GUID as we write it."""
        return self._records.get(guid)

    def by_name(self, hostname: str) -> DeviceRecord | None:
        """The record of that name, however it is capitalised."""
        guid = self._by_name.get(hostname_key(hostname))
        return None if guid is None else self._records[guid]

    def visible(self, actor: Actor, guid: str) -> DeviceRecord:
        """The record of a device that this operator may see.

        Raises:
            NotFound: ``device_not_found``, for both: not there, and not theirs to see.
        """
        record = self._records.get(guid.upper())
        if record is None or not actor.sees_site(record.site_id):
            raise not_found()
        return record

    def watch(self, guid: str) -> IdentityWatch:
        """What is remembered of a device's identity."""
        watch = self._watches.get(guid)
        if watch is None:
            watch = self._watches[guid] = IdentityWatch()
        return watch

    # --- changes of what there is

    def load(self, records: list[DeviceRecord], sites: list[Site]) -> None:
        """Take over what the database has, at start."""
        self.sites = {site.id: site for site in sites}
        now, steady = self.clock.now(), self.clock.monotonic()
        for record in records:
            age = now - record.last_seen
            # A last_seen in the future is a clock that was set back: nobody knows, so it has to speak up again.
            record.seen_at = steady - age if 0 <= age <= ONLINE_WINDOW_SECONDS else float("-inf")
            self.add(record)
            self.refresh_online(record)

    def add(self, record: DeviceRecord) -> None:
        """Know a device."""
        self._records[record.guid] = record
        self._by_name[hostname_key(record.hostname)] = record.guid

    def take_auth(self, record: DeviceRecord, auth: DeviceAuth) -> None:
        """Give a record another standing: status, key, site or name."""
        if auth.hostname != record.hostname:
            self._by_name.pop(hostname_key(record.hostname), None)
            self._by_name[hostname_key(auth.hostname)] = record.guid
        record.auth = auth

    def remove(self, guid: str) -> None:
        """Forget a device."""
        record = self._records.pop(guid, None)
        if record is None:
            return
        self._by_name.pop(hostname_key(record.hostname), None)
        self.forget_identity(guid)
        self._fading.discard(guid)

    def forget_identity(self, guid: str) -> None:
        """Watch a device's identity from the beginning again."""
        self._watches.pop(guid, None)

    # --- presence

    def refresh_online(self, record: DeviceRecord) -> bool:
        """Work out whether a device is online; True where that is news."""
        online = self.presence.is_online(record, self.clock.monotonic())
        if online and not self.presence.is_connected(record.guid):
            self._fading.add(record.guid)
        else:
            self._fading.discard(record.guid)
        changed = online != record.online
        record.online = online
        return changed

    def fade(self) -> None:
        """Turn devices offline that were not heard of for too long; tells operators."""
        for guid in list(self._fading):
            record = self._records.get(guid)
            if record is None:
                self._fading.discard(guid)
            elif self.refresh_online(record):
                self.publish(record, "offline")

    # --- telling

    def on_access_changed(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the GUID of each device whose status, key or site changed."""
        self._listeners.append(listener)

    def access_changed(self, guid: str) -> None:
        """Tell the listeners, at once; one that fails keeps no other from hearing it."""
        for listener in self._listeners:
            try:
                listener(guid)
            except Exception:
                log.exception("a listener failed", guid=guid)

    def publish(self, record: DeviceRecord, change: str, **more: Any) -> None:
        """Tell operators who may see this device that something about it changed."""
        data = {
            "guid": record.guid,
            "hostname": record.hostname,
            "change": change,
            "status": record.status,
            "site_id": record.site_id,
            "presence": self.presence.describe(record, self.clock.monotonic()),
            "last_user": record.last_user,
            "duplicate_suspected": record.duplicate_suspected,
            **more,
        }
        self._feed.publish(Change(KIND, data, record.guid, record.site_id))

    def publish_gone(self, record: DeviceRecord, change: str, site_id: int | None) -> None:
        """Tell operators of a site that a device is theirs to see no more."""
        data = {"guid": record.guid, "hostname": record.hostname, "change": change}
        self._feed.publish(Change(KIND, data, record.guid, site_id))
