"""Orders, acknowledgements and results over a network that loses anything, with both ends crashing at will.

What must hold whatever the order of events: no run begins twice on the device, every accepted job ends, a result
that the device has is recorded as it is, and a run that began is never shown as one that did not.
"""

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_device_link import Ack, FakeDevice, FakeDevices, FakeLink
from tests.unit.engine.dispatch.conftest import ADMIN, SYSTEM, Bench, make_bench, open_database

from borealis_engine.core.errors import EngineError
from borealis_wire.events import TERMINAL_STATUSES, RunStatus
from borealis_wire.messages import JobResult

pytestmark = pytest.mark.slow


class SimulatedDevice:
    """A device as the contract wants it: journal before start, outbox until acknowledged. Disk survives a crash."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.journal: set[str] = set()
        self.outbox: dict[str, str] = {}
        self.running: set[str] = set()
        self.lose_acks = False

    def take(self, payload: dict[str, Any]) -> Ack:
        """An order arrives."""
        run_id = payload["run_id"]
        if run_id in self.journal:
            answer: Ack = {"status": "refused", "reason": "replayed"}
        else:
            self.journal.add(run_id)
            self.begun[run_id] += 1
            self.running.add(run_id)
            answer = {"status": "accepted"}
        return None if self.lose_acks else answer

    def finish(self, status: str = "Success") -> None:
        """Everything that runs comes to its end."""
        for run_id in self.running:
            self.outbox[run_id] = status
        self.running.clear()

    def crash(self) -> None:
        """The machine loses power: what ran is interrupted, and says so when it is back."""
        self.finish("Interrupted")

    @property
    def listed(self) -> set[str]:
        """What ``connect_agent`` says it has."""
        return self.running | set(self.outbox)


class World:
    """One Engine and one device; ``step`` does one thing to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = open_database(folder / "database.db")
        self.devices = FakeDevices(FakeDevice("GUID-1", "alpha", 1))
        self.device = SimulatedDevice()
        self.clock = FakeClock()
        self.accepted: list[str] = []
        self.engine: Bench
        self.driver: asyncio.Task[None]

    async def boot(self) -> None:
        """Start the Engine on what is on disk."""
        link = FakeLink(answer=self.device.take)
        self.engine = await make_bench(self.folder, self.db, self.devices, link, self.clock)
        self.driver = asyncio.get_running_loop().create_task(self.engine.dispatcher.run_loop())
        await self.settle()

    async def halt(self) -> None:
        """``kill -9``: nothing is flushed."""
        self.driver.cancel()
        await asyncio.gather(self.driver, return_exceptions=True)

    async def settle(self) -> None:
        """Let everything that can happen now, happen."""
        for _ in range(6):
            await asyncio.sleep(0.002)

    async def connect(self) -> None:
        """The device's socket comes up."""
        self.engine.link.sessions.add(("GUID-1", SYSTEM))
        await self.engine.dispatcher.device_ready("GUID-1", SYSTEM, self.device.listed)

    async def report(self, *, lose_answer: bool) -> None:
        """The device sends what its outbox holds."""
        for run_id, status in list(self.device.outbox.items()):
            result = JobResult(run_id=run_id, status=status, stdout=f"of {run_id}")
            answer = await self.engine.dispatcher.device_result("GUID-1", SYSTEM, result)
            if answer["status"] == "ok" and not lose_answer:
                del self.device.outbox[run_id]

    async def step(self, what: str) -> None:
        """One event of the world."""
        match what:
            case "launch":
                self.accepted += await self.engine.launch(expires_in_seconds=3600)
            case "cancel" if self.accepted:
                try:
                    await self.engine.jobs.cancel(ADMIN, self.accepted[-1])
                except EngineError as error:
                    assert error.code == "run_finished"
            case "connect":
                await self.connect()
            case "cut":
                self.engine.link.sessions.clear()
            case "lossy":
                self.device.lose_acks = True
            case "clear":
                self.device.lose_acks = False
            case "finish":
                self.device.finish()
            case "report" | "report, answer lost":
                if self.engine.link.sessions:
                    await self.report(lose_answer=what != "report")
            case "device crash":
                self.engine.link.sessions.clear()
                self.device.crash()
            case "engine crash":
                await self.halt()
                await self.boot()
            case "poll":
                jobs, _ = await self.engine.dispatcher.work_for_poll("GUID-1", SYSTEM)
                for job in jobs:
                    self.device.take({"run_id": job.run_id})
            case "wait":
                self.clock.advance(31)
        await self.settle()

    async def calm(self) -> None:
        """Everything works again, for long enough."""
        self.device.lose_acks = False
        for _ in range(4):
            await self.connect()
            self.clock.advance(100)
            await self.settle()
            self.device.finish()
            await self.report(lose_answer=False)
            await self.settle()
        self.clock.advance(8 * 24 * 3600)
        await self.settle()
        await self.settle()


STEPS = (
    "launch",
    "launch",
    "cancel",
    "connect",
    "connect",
    "cut",
    "lossy",
    "clear",
    "finish",
    "report",
    "report, answer lost",
    "device crash",
    "engine crash",
    "poll",
    "wait",
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=5, max_size=25))
def test_survives_any_order_of_losses_and_crashes(steps: list[str]) -> None:
    asyncio.run(live(steps))


@pytest.mark.parametrize("seed", range(8))
def test_survives_a_long_bad_day(seed: int) -> None:
    rng = random.Random(seed)
    asyncio.run(live([rng.choice(STEPS) for _ in range(120)]))


async def live(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        await world.boot()
        try:
            for step in steps:
                await world.step(step)
            await world.calm()
            assert max(world.device.begun.values(), default=1) == 1, "a run began twice"
            assert not world.device.outbox, "a result was never taken"
            for run_id in world.accepted:
                run = await world.engine.run(run_id)
                assert run["status"] in TERMINAL_STATUSES, f"{run['status']} for ever"
                if run["status"] in {RunStatus.SUCCESS, RunStatus.FAILED}:
                    assert run["stdout"] == f"of {run_id}"
                if world.device.begun[run_id]:
                    assert run["status"] != RunStatus.EXPIRED, "it ran, and history says that it did not"
        finally:
            await world.halt()
            world.db.close()
