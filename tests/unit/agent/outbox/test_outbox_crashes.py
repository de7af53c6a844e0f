"""Journal and outbox under a crash at every step of every write (threats 10 and 17)."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.crash_disk import CrashDisk, Crashed
from tests.fakes.fake_clock import FakeClock
from tests.fakes.inline_executor import InlineExecutor
from tests.fakes.jobs import make_order
from tests.programs.systems import ON_WINDOWS

from borealis_agent.outbox import Spool, open_spool
from borealis_wire.events import RunStatus
from borealis_wire.messages import JobResult
from borealis_wire.orders import JobOrder
from borealis_wire.refusal import Refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


class Truth:
    """What really happened, as the scripts and the Engine saw it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.results: dict[str, JobResult] = {}
        self.safe: set[str] = set()
        self.engine: dict[str, str] = {}
        self.orders: dict[str, JobOrder] = {}


def start(disk: CrashDisk, folder: Path, clock: FakeClock) -> Spool:
    return open_spool(folder, clock=clock, known_device=True, disk=disk, writer=InlineExecutor())


async def life(spool: Spool, truth: Truth, clock: FakeClock, script: list[tuple[str, int]]) -> None:
    """One life of an agent: begins, ends and delivers runs as ``script`` says, until it crashes."""
    for run in spool.interrupted():
        spool.add_result(JobResult(run_id=run.run_id, status=RunStatus.INTERRUPTED.value))
    for action, number in script:
        clock.advance(1)
        if action == "begin":
            order = truth.orders.setdefault(
                f"run-{number}", make_order(run_id=f"run-{number}", issued_at=clock.now(), lifetime=600 + number)
            )
            try:
                await spool.begin(order)
            except (Refused, OSError):
                continue
            truth.started.append(order.run_id)
        elif action == "end":
            run_id = f"run-{number}"
            if run_id in truth.started and run_id not in truth.results and run_id not in truth.engine:
                result = truth.results[run_id] = JobResult(
                    run_id=run_id, status=RunStatus.SUCCESS.value, stdout="x" * (20_000 if number % 3 == 0 else 10)
                )
                spool.add_result(result)
                truth.safe.add(run_id)
        else:
            for run_id in spool.waiting():
                found = await spool.result(run_id)
                assert found is not None
                truth.engine.setdefault(run_id, found.status)
                spool.acknowledged(run_id)


actions = st.tuples(st.sampled_from(["begin", "begin", "end", "deliver"]), st.integers(0, 5))


@settings(
    max_examples=40 if ON_WINDOWS else 400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    scripts=st.lists(st.lists(actions, max_size=14), min_size=1, max_size=4),
    crashes=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    power=st.lists(st.booleans(), min_size=4, max_size=4),
    data=st.data(),
)
def test_survives_crashes_at_any_step_without_running_twice_or_losing_a_result(
    folder: Path, scripts: list[list[tuple[str, int]]], crashes: list[int], power: list[bool], data: st.DataObject
) -> None:
    def choose(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    clock, truth = FakeClock(), Truth()
    disk = CrashDisk(choose=choose, renames_open_files=bool(choose(0, 1)))
    asyncio.run(_warm_up(disk, folder, clock))
    disk = disk.reboot(power_loss=False)
    for script, crash_at, power_loss in zip(scripts, crashes, power, strict=False):
        disk.crash_at = crash_at
        try:
            spool = start(disk, folder, clock)
            asyncio.run(life(spool, truth, clock, script))
        except Crashed:
            pass
        disk = disk.reboot(power_loss=power_loss, choose=choose)
        clock.advance(1)
    _check(start(disk, folder, clock), truth, clock)


async def _warm_up(disk: CrashDisk, folder: Path, clock: FakeClock) -> None:
    """A journal that exists: the first one of a device is made before it has a GUID."""
    spool = open_spool(folder, clock=clock, known_device=False, disk=disk, writer=InlineExecutor())
    await spool.close()


def _check(spool: Spool, truth: Truth, clock: FakeClock) -> None:
    assert len(truth.started) == len(set(truth.started)), "a run began twice"
    lost = {run.run_id for run in spool.interrupted()}
    waiting = set(spool.waiting())
    for run_id in truth.started:
        with pytest.raises(Refused):
            spool.check(truth.orders[run_id])
        known = run_id in truth.engine or run_id in waiting or run_id in lost
        assert known, f"{run_id} was begun and nobody will ever hear how it ended"
    for run_id in truth.safe - set(truth.engine):
        assert run_id in waiting, f"the result of {run_id} was lost"


EACH_STEP = [
    ("begin", 0),
    ("begin", 1),
    ("end", 0),
    ("deliver", 0),
    ("begin", 2),
    ("end", 1),
    ("end", 2),
    ("begin", 3),
]


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("power_loss", [False, True])
@pytest.mark.parametrize("crash_at", range(1, 30))
async def test_survives_a_crash_at_each_single_step(
    folder: Path, crash_at: int, power_loss: bool, windows: bool
) -> None:
    clock, truth = FakeClock(), Truth()
    disk = CrashDisk(renames_open_files=not windows)
    await _warm_up(disk, folder, clock)
    disk = disk.reboot(power_loss=False, crash_at=crash_at)
    with contextlib.suppress(Crashed):
        await life(start(disk, folder, clock), truth, clock, EACH_STEP)
    _check(start(disk.reboot(power_loss=power_loss), folder, clock), truth, clock)


async def test_one_sync_before_a_run_starts_and_one_for_its_result(folder: Path) -> None:
    disk, clock = CrashDisk(), FakeClock()
    await _warm_up(disk, folder, clock)
    disk = disk.reboot(power_loss=False)
    spool = start(disk, folder, clock)
    order = make_order(issued_at=clock.now())
    await spool.begin(order)
    assert disk.syncs == 1
    spool.add_result(JobResult(run_id=order.run_id, status="Success"))
    assert disk.syncs == 2
    spool.acknowledged(order.run_id)
    assert disk.syncs == 2


async def test_survives_a_full_disk_and_goes_on_when_there_is_room(folder: Path) -> None:
    disk, clock = CrashDisk(), FakeClock()
    await _warm_up(disk, folder, clock)
    disk = disk.reboot(power_loss=False)
    spool = start(disk, folder, clock)
    first, second = make_order(issued_at=clock.now()), make_order(issued_at=clock.now())
    await spool.begin(first)
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        await spool.begin(second)
    spool.add_result(JobResult(run_id=first.run_id, status="Success", stdout="kept in memory"))
    assert (await spool.result(first.run_id)).stdout == "kept in memory"  # type: ignore[union-attr]
    disk.full = False
    await spool.begin(second)  # it had not begun, so it may
    spool.write_again()
    after = start(disk.reboot(power_loss=True), folder, clock)
    assert after.waiting() == [first.run_id]
    assert [run.run_id for run in after.interrupted()] == [second.run_id]


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("choice", [0, 1])
async def test_survives_a_failed_write_without_believing_half_of_it(folder: Path, choice: int, windows: bool) -> None:
    def choose(low: int, high: int) -> int:
        return high if choice else low

    clock = FakeClock()
    for step in range(1, 8):
        disk = CrashDisk(choose=choose, renames_open_files=not windows)
        await _warm_up(disk, folder, clock)
        disk = disk.reboot(power_loss=False, choose=choose)
        spool = start(disk, folder, clock)
        disk.fail_at = frozenset({disk.steps + step})
        begun: list[JobOrder] = []
        for _ in range(5):
            order = make_order(issued_at=clock.now())
            try:
                await spool.begin(order)
            except OSError:
                continue
            begun.append(order)
        after = start(disk.reboot(power_loss=True), folder, clock)
        for order in begun:
            with pytest.raises(Refused):
                after.check(order)
