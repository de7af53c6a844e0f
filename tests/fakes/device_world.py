"""The room of devices over a real, migrated SQLite database, with a clock that tests move and a feed they read."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.people import migrated_database

from borealis_engine.audit import AuditLog, AuditRow
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.metrics import Metrics
from borealis_engine.devices import DeviceAuth, DeviceService, admit
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.storage import Database
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.messages import Details, Heartbeat, HeartbeatMetrics

SYSTEM, INTERACTIVE = RunContext.SYSTEM, RunContext.INTERACTIVE
HERE, THERE = "192.0.2.7", "192.0.2.8"
ADMIN = Principal(1, "ada", OperatorRole.ADMIN)


def limited(*sites: int, role: OperatorRole = OperatorRole.ADMIN) -> Principal:
    """An operator who is limited to sites."""
    return Principal(2, "lim", role, sites=frozenset(sites))


class HeardFeed(ChangeFeed):
    """A feed that keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []

    def publish(self, change: Change) -> None:
        """Keep and pass on."""
        self.changes.append(change)
        super().publish(change)

    def take(self) -> list[str]:
        """What changed since the last call: the kinds of change, in order."""
        kinds = [str(change.data["change"]) for change in self.changes]
        self.changes.clear()
        return kinds


@dataclass
class DeviceWorld:
    """One Engine's devices."""

    folder: Path
    db: Database
    clock: FakeClock
    randomness: FakeRandomness
    feed: HeardFeed
    audit: AuditLog
    metrics: Metrics
    devices: DeviceService
    access_changes: list[str] = field(default_factory=list)

    def key(self) -> VerifyKey:
        """A new device's key."""
        return SigningKey.from_seed(self.randomness.token_bytes(32)).public

    async def admit(
        self,
        hostname: str,
        *,
        site_id: int | None = None,
        guid: str | None = None,
        key: VerifyKey | None = None,
    ) -> DeviceAuth:
        """Let a device in, as enrolment does."""
        public = key or self.key()
        auth = await self.db.write(
            lambda conn: admit(
                conn,
                guid=guid,
                hostname=hostname,
                fingerprint=public.fingerprint,
                public_key_spki=public.spki,
                site_id=site_id,
                now=self.clock.now(),
                randomness=self.randomness,
            )
        )
        self.devices.admitted(auth)
        return auth

    async def site(self, name: str) -> int:
        """A new site's id."""
        return (await self.devices.sites.create(ADMIN, name=name, description="", address=HERE)).id

    async def beat(self, guid: str, *, context: RunContext = SYSTEM, address: str = HERE, **members: Any) -> None:
        """A heartbeat; ``members`` of its metrics where they are metrics."""
        metrics = {name: members.pop(name) for name in list(members) if name in HeartbeatMetrics.__struct_fields__}
        if "hostname" in metrics:
            members["hostname"] = metrics["hostname"]
        message = Heartbeat(metrics=HeartbeatMetrics(**metrics), **members)
        await self.devices.heartbeat(guid, context, message, address)

    async def tell(self, guid: str, **details: Any) -> None:
        """Inventory."""
        await self.devices.details(guid, SYSTEM, Details(details=details), HERE)

    async def details(self, guid: str) -> dict[str, Any]:
        """What is known of a device's inventory."""
        return await self.devices.inventory(self.devices.get(ADMIN, guid))

    async def entries(self, action: str | None = None) -> list[AuditRow]:
        """The audit log, newest first."""
        return await self.audit.list(action=action, limit=500)


@contextlib.asynccontextmanager
async def open_devices(folder: Path, *, clock: FakeClock | None = None) -> AsyncIterator[DeviceWorld]:
    """The room, started; closed afterwards. A ``folder`` that was used before is a restart."""
    path = folder / "database.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(migrated_database())
    db = Database(f"sqlite:///{path}")
    clock, randomness, feed, metrics = clock or FakeClock(), FakeRandomness(str(folder)), HeardFeed(), Metrics()
    audit = AuditLog(db=db, clock=clock)
    devices = DeviceService(db=db, clock=clock, randomness=randomness, feed=feed, audit=audit, metrics=metrics)
    world = DeviceWorld(folder, db, clock, randomness, feed, audit, metrics, devices)
    devices.on_access_changed(world.access_changes.append)
    try:
        await devices.start()
        yield world
    finally:
        db.close()
