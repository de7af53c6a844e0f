"""Live output and history stay within bounds, whatever a device sends."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_engine.activity import ActivityHistory, ActivityService, JobContent, LiveRun, Outcome
from borealis_engine.activity.output import MAX_CHUNKS, MAX_PUBLISHED_A_SECOND, MAX_STREAM_CHARACTERS
from borealis_engine.activity.tables import jobs, run_numbers, run_output, runs
from borealis_engine.activity.text import plausible_time, storable
from borealis_engine.core.errors import NotFound
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.storage import Database, metadata
from borealis_wire.events import RunContext, RunStatus
from borealis_wire.messages import JobOutput

NOW = FakeClock().now()


def job(job_id: str = "job-1") -> JobContent:
    return JobContent(
        id=job_id,
        source="quick_job",
        script_name="x",
        script_type="bash",
        script_sha256="0" * 64,
        script=b"true",
        script_signature="",
        signing_key="",
        context=RunContext.SYSTEM,
        timeout_seconds=60,
        created_by="ada",
        created_at=NOW,
        expires_at=NOW + 60,
    )


def live_run(number: int, job_id: str = "job-1") -> LiveRun:
    return LiveRun(
        number, f"run-{number}", job_id, "GUID", "alpha", 1, RunContext.SYSTEM, NOW, NOW + 60, 60, sent_at=NOW
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'database.db'}")
    metadata.create_all(db.engine, tables=[jobs, runs, run_output, run_numbers])
    yield db
    db.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def feed() -> ChangeFeed:
    return ChangeFeed()


@pytest.fixture
async def activity(database: Database, clock: FakeClock, feed: ChangeFeed) -> ActivityService:
    service = ActivityService(db=database, clock=clock, feed=feed)
    await service.start()
    return service


async def opened(activity: ActivityService, database: Database, *numbers: int) -> list[LiveRun]:
    content, made = job(), [live_run(number) for number in numbers]
    await database.write(lambda conn: ActivityService.insert(conn, content, made))
    activity.opened(content, made)
    return made


def chunk(run: LiveRun, seq: int, data: str = "x", stream: Literal["stdout", "stderr"] = "stdout") -> JobOutput:
    return JobOutput(run_id=run.run_id, seq=seq, stream=stream, data=data)


async def test_a_flood_fills_its_own_share_and_no_more(activity: ActivityService, database: Database) -> None:
    loud, quiet = await opened(activity, database, 1, 2)
    for seq in range(60):
        activity.take_output(loud, chunk(loud, seq, "y" * 32_000))
    activity.take_output(quiet, chunk(quiet, 0, "heard"))
    await activity.flush()
    kept = await activity.output.read(1, loud.run_id, -1)
    assert MAX_STREAM_CHARACTERS <= sum(len(piece.data) for piece in kept) < MAX_STREAM_CHARACTERS + 200
    assert "keeps no more live output" in kept[-1].data
    assert [piece.data for piece in await activity.output.read(2, quiet.run_id, -1)] == ["heard"]


async def test_a_flood_of_tiny_pieces_ends_too(activity: ActivityService, database: Database) -> None:
    (run,) = await opened(activity, database, 1)
    for seq in range(MAX_CHUNKS + 10):
        activity.take_output(run, chunk(run, seq))
    assert activity.output.statistics()["output_waiting"] == MAX_CHUNKS


async def test_watchers_are_told_at_a_bounded_rate(
    activity: ActivityService, database: Database, feed: ChangeFeed
) -> None:
    (run,) = await opened(activity, database, 1)
    with feed.subscribe(limit=10_000) as heard:
        for seq in range(2 * MAX_PUBLISHED_A_SECOND):
            activity.take_output(run, chunk(run, seq))
        assert len(heard._queue) == MAX_PUBLISHED_A_SECOND


async def test_output_can_be_read_before_it_is_written(activity: ActivityService, database: Database) -> None:
    (run,) = await opened(activity, database, 1)
    activity.take_output(run, chunk(run, 1, "b"))
    activity.take_output(run, chunk(run, 0, "a"))
    assert [piece.seq for piece in await activity.output.read(1, run.run_id, -1)] == [0, 1]
    assert [piece.seq for piece in await activity.output.read(1, run.run_id, 0)] == [1]


async def test_whoever_waits_for_output_is_woken(activity: ActivityService, database: Database) -> None:
    (run,) = await opened(activity, database, 1)
    history = ActivityHistory(db=database, activity=activity, clock=FakeClock())
    waiting = asyncio.get_running_loop().create_task(history.wait_output(1, run.run_id, -1, 30))
    await asyncio.sleep(0.02)
    activity.take_output(run, chunk(run, 0, "now"))
    chunks, done = await asyncio.wait_for(waiting, 5)
    assert ([piece.data for piece in chunks], done) == (["now"], False)
    assert activity.waiters.statistics()["watched_runs"] == 0


async def test_whoever_waits_for_the_end_is_woken(activity: ActivityService, database: Database) -> None:
    (run,) = await opened(activity, database, 1)
    history = ActivityHistory(db=database, activity=activity, clock=FakeClock())
    waiting = asyncio.get_running_loop().create_task(history.wait_finished([run.run_id], 30))
    await asyncio.sleep(0.02)
    assert await activity.ended_by_device(run, Outcome(RunStatus.SUCCESS, 0, "out"))
    assert await asyncio.wait_for(waiting, 5)


async def test_old_history_is_pruned_and_live_runs_are_not(
    activity: ActivityService, database: Database, clock: FakeClock
) -> None:
    old, alive = await opened(activity, database, 1, 2)
    await activity.ended_by_device(old, Outcome(RunStatus.SUCCESS))
    clock.advance(40 * 24 * 3600)
    assert await activity.prune(clock.now() - 30 * 24 * 3600) == 1
    history = ActivityHistory(db=database, activity=activity, clock=clock)
    with pytest.raises(NotFound):
        await history.run(None, run_id=old.run_id)
    assert (await history.run(None, run_id=alive.run_id))["status"] == "Pending"


async def test_numbers_are_never_given_twice_not_even_after_a_crash(
    activity: ActivityService, database: Database, clock: FakeClock, feed: ChangeFeed
) -> None:
    taken = [await activity.take_numbers(count) for count in (1, 3, 1000, 1)]
    again = ActivityService(db=database, clock=clock, feed=feed)
    await again.start()
    later = await again.take_numbers(1)
    assert taken == sorted(taken)
    assert later > max(taken)


def test_text_that_no_database_takes_is_made_storable() -> None:
    assert storable("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    storable("\ud800").encode("utf-8")


@pytest.mark.parametrize("seconds", [None, float("nan"), float("inf"), 0.0, 2e12])
def test_a_wrong_clock_orders_no_history(seconds: float | None) -> None:
    assert plausible_time(seconds, earliest=NOW - 120, latest=NOW + 120) is None
