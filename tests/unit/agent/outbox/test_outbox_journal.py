"""The journal: nothing begins twice, also after rotation, loss, damage, and a clock that jumps (threats 10, 18, 19)."""

import asyncio
from pathlib import Path

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock
from tests.fakes.jobs import make_order
from tests.programs.systems import needs_file_modes

from borealis_agent.outbox import Spool, journal, open_spool
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.messages import JobResult
from borealis_wire.orders import JobOrder
from borealis_wire.refusal import Refused


def open_at(folder: Path, clock: FakeClock, *, known: bool = True) -> Spool:
    return open_spool(folder, clock=clock, known_device=known)


def code_of(spool: Spool, order: JobOrder) -> str:
    try:
        spool.check(order)
    except Refused as refusal:
        return refusal.code.value
    return ""


@pytest.fixture
async def fresh(tmp_path: Path) -> Path:
    spool = open_at(tmp_path, FakeClock(), known=False)
    await spool.close()
    return tmp_path


async def begun(folder: Path, clock: FakeClock, *, end: bool = True, lifetime: float = 3600) -> JobOrder:
    spool = open_at(folder, clock)
    order = make_order(issued_at=clock.now(), lifetime=lifetime)
    await spool.begin(order)
    if end:
        spool.add_result(JobResult(run_id=order.run_id, status="Success"))
        spool.acknowledged(order.run_id)
    await spool.close()
    return order


async def test_rejects_run_that_was_begun_before(fresh: Path) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock)
    again = open_at(fresh, clock)
    assert code_of(again, order) == "replayed"
    with pytest.raises(Refused):
        await again.begin(order)
    await again.close()


async def test_rejects_two_copies_that_come_at_the_same_moment(fresh: Path) -> None:
    spool = open_at(fresh, FakeClock())
    order = make_order()
    outcomes = await asyncio.gather(*(spool.begin(order) for _ in range(5)), return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome is None] == [None]
    assert all(isinstance(outcome, Refused) for outcome in outcomes if outcome is not None)
    await spool.close()


async def test_rejects_replay_after_the_journal_was_rotated(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMPACT_ABOVE_BYTES", 1000)
    monkeypatch.setattr(journal, "_BYTES_AN_ID", 1)
    clock = FakeClock()
    old = await begun(fresh, clock, lifetime=10)
    kept = await begun(fresh, clock)
    spool = open_at(fresh, clock)
    for _ in range(30):
        clock.advance(5)
        await spool.begin(make_order(issued_at=clock.now(), lifetime=1))
    await spool.close()
    assert (fresh / "journal").stat().st_size < 6000
    after = open_at(fresh, clock)
    assert code_of(after, kept) == "replayed"
    assert code_of(after, old) in {"replayed", "expired"}
    await after.close()


async def test_rejects_replay_with_the_clock_set_forward_and_back(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMPACT_ABOVE_BYTES", 0)
    monkeypatch.setattr(journal, "_BYTES_AN_ID", 0)
    clock = FakeClock()
    order = await begun(fresh, clock)
    clock.set_wall(DEFAULT_NOW + 90_000)
    await begun(fresh, clock)
    await begun(fresh, clock)  # the second one writes the file anew, without the id that is over
    assert order.run_id.encode() not in (fresh / "journal").read_bytes()
    clock.set_wall(DEFAULT_NOW)
    spool = open_at(fresh, clock)
    assert code_of(spool, order) == "expired"
    assert code_of(spool, make_order(issued_at=DEFAULT_NOW, lifetime=7200)) == ""
    await spool.close()


async def test_an_id_is_kept_until_its_order_is_over_for_good(fresh: Path) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock, lifetime=100)
    clock.advance(100 + CLOCK_SKEW_SECONDS - 1)
    spool = open_at(fresh, clock)
    await spool.begin(make_order(issued_at=clock.now()))
    assert code_of(spool, order) == "replayed"
    clock.advance(2)
    await spool.begin(make_order(issued_at=clock.now()))
    assert code_of(spool, order) == "expired"
    await spool.close()


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"somebody else's file\nwith lines\n",
        lambda data: data[:30] + b"?" + data[31:],
        lambda data: data.replace(b'"v":1', b'"v":9'),
        lambda data: b"",
        lambda data: b"\x00" * 50,
        lambda data: b"\n".join(data.split(b"\n")[1:]),
        lambda data: data[:-5] + (b"1" if data[-5:-4] == b"0" else b"0") + data[-4:],
    ],
)
async def test_rejects_orders_from_before_the_journal_was_damaged(fresh: Path, harm: object) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock)
    clock.advance(5)
    path = fresh / "journal"
    path.write_bytes(harm(path.read_bytes()))  # type: ignore[operator]
    import os

    os.utime(path, (clock.now(), clock.now()))
    spool = open_at(fresh, clock)
    assert code_of(spool, order) in {"replayed", "expired"}
    assert code_of(spool, make_order(issued_at=clock.now())) == "expired"
    assert len(list(fresh.glob("journal.bad-*"))) == 1
    clock.advance(CLOCK_SKEW_SECONDS + 1)
    await spool.begin(make_order(issued_at=clock.now()))
    await spool.close()
    after = open_at(fresh, clock)
    assert code_of(after, order) in {"replayed", "expired"}
    await after.close()


async def test_rejects_orders_from_before_the_journal_was_deleted(fresh: Path) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock)
    (fresh / "journal").unlink()
    clock.advance(1)
    spool = open_at(fresh, clock)
    assert code_of(spool, order) == "expired"
    await spool.close()


async def test_a_new_device_takes_orders_at_once(tmp_path: Path) -> None:
    spool = open_at(tmp_path, FakeClock(), known=False)
    await spool.begin(make_order())
    await spool.close()


async def test_survives_a_torn_last_line(fresh: Path) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock)
    with (fresh / "journal").open("ab") as file:
        file.write(b'1234abcd {"k":"begun","run"')
    spool = open_at(fresh, clock)
    assert code_of(spool, order) == "replayed"
    await spool.begin(make_order(issued_at=clock.now()))
    await spool.close()
    assert not list(fresh.glob("journal.bad-*"))
    after = open_at(fresh, clock)
    assert code_of(after, order) == "replayed"
    await after.close()


async def test_a_run_without_a_result_is_told_after_a_restart_and_only_once(fresh: Path) -> None:
    clock = FakeClock()
    order = await begun(fresh, clock, end=False)
    spool = open_at(fresh, clock)
    assert spool.running_ids() == [order.run_id]
    (lost,) = spool.interrupted()
    assert (lost.run_id, lost.job_id, lost.began_at) == (order.run_id, order.job_id, clock.now())
    spool.add_result(JobResult(run_id=order.run_id, status="Interrupted"))
    await spool.close()
    after = open_at(fresh, clock)
    assert after.interrupted() == []
    assert after.waiting() == [order.run_id]
    await after.close()


async def test_a_flood_of_ids_stays_bounded_and_still_runs_nothing_twice(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_IDS", 20)
    clock = FakeClock()
    spool = open_at(fresh, clock)
    orders = [make_order(issued_at=clock.now(), lifetime=1000 + number) for number in range(60)]
    taken = []
    for order in orders:
        await spool.begin(order)
        spool.add_result(JobResult(run_id=order.run_id, status="Success"))
        spool.acknowledged(order.run_id)
        taken.append(order)
    assert spool.statistics()["journal_ids"] <= 21
    assert all(code_of(spool, order) in {"replayed", "expired"} for order in taken)
    await spool.close()


@needs_file_modes
async def test_the_files_are_the_owners_alone(fresh: Path) -> None:
    await begun(fresh, FakeClock())
    assert {path.stat().st_mode & 0o777 for path in (fresh / "journal", fresh / "outbox")} == {0o600}
    assert fresh.stat().st_mode & 0o777 == 0o700
