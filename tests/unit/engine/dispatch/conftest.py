"""A dispatcher over real SQLite, with devices and sockets in memory."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_device_link import FakeDevice, FakeDevices, FakeLink, NoMachines
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.activity import ActivityService
from borealis_engine.activity.tables import jobs, run_numbers, run_output, runs
from borealis_engine.audit.tables import audit_log
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.dispatch import Dispatcher
from borealis_engine.jobs import JobService, LaunchRequest
from borealis_engine.library import ScriptLibrary
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database, metadata
from borealis_wire.events import RunContext
from borealis_wire.messages import JobResult

ADMIN = Principal(1, "ada", OperatorRole.ADMIN)
SYSTEM = RunContext.SYSTEM
_lives = itertools.count()


@dataclass
class Bench:
    """Everything below the doors of one Engine. ``restart`` is a crash: only disk and devices stay."""

    folder: Path
    clock: FakeClock
    db: Database
    devices: FakeDevices
    link: FakeLink
    feed: ChangeFeed
    activity: ActivityService
    dispatcher: Dispatcher
    jobs: JobService
    signing: SigningService

    async def launch(self, script: str = "true", **options: Any) -> list[str]:
        """Start a quick job on all devices; gives run ids."""
        options.setdefault("all", True)
        request = LaunchRequest(script_content=script, script_type="bash", **options)
        launched = await self.jobs.launch(ADMIN, request)
        return [result.run_id for result in launched.results]

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run as operators see it."""
        return await self.jobs.history.run(None, run_id=run_id)

    async def result(self, run_id: str, status: str = "Success", **more: Any) -> dict[str, str]:
        """The device reports an end."""
        guid = next(iter(self.devices.by_guid))
        return await self.dispatcher.device_result(guid, SYSTEM, JobResult(run_id=run_id, status=status, **more))


async def make_bench(folder: Path, db: Database, devices: FakeDevices, link: FakeLink, clock: FakeClock) -> Bench:
    """Build the rooms as ``app`` does, and start them."""
    feed = ChangeFeed()
    signing = SigningService(folder=folder / "signing", clock=clock, randomness=FakeRandomness("signing"))
    await signing.start()
    activity = ActivityService(db=db, clock=clock, feed=feed)
    await activity.start()
    dispatcher = Dispatcher(activity=activity, devices=devices, sealer=signing, clock=clock)
    dispatcher.bind_link(link)
    service = JobService(
        db=db,
        clock=clock,
        randomness=FakeRandomness(f"jobs of life {next(_lives)}"),
        devices=devices,
        signing=signing,
        activity=activity,
        dispatcher=dispatcher,
        scripts=ScriptLibrary(db=db, clock=clock, randomness=FakeRandomness("library"), feed=feed),
        machines=NoMachines(),
    )
    await dispatcher.start()
    return Bench(folder, clock, db, devices, link, feed, activity, dispatcher, service, signing)


def open_database(path: Path) -> Database:
    """The tables that these rooms use."""
    db = Database(f"sqlite:///{path}")
    metadata.create_all(db.engine, tables=[jobs, runs, run_output, run_numbers, audit_log])
    return db


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    db = open_database(tmp_path / "database.db")
    yield db
    db.close()


@pytest.fixture
async def bench(tmp_path: Path, database: Database) -> Bench:
    """One active device without a session."""
    devices = FakeDevices(FakeDevice("GUID-1", "alpha", 1))
    return await make_bench(tmp_path, database, devices, FakeLink(), FakeClock())
