"""The outbox: bounded, on disk, delivered once it can be (contract 4)."""

from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.outbox import Spool, open_spool, outbox
from borealis_agent.outbox.record_log import frame, read_frames
from borealis_wire.messages import JobResult


def open_at(folder: Path) -> Spool:
    return open_spool(folder, clock=FakeClock(), known_device=False)


def result(run_id: str, text: str = "out") -> JobResult:
    return JobResult(run_id=run_id, status="Success", stdout=text, exit_code=0, job_id=3, context={"run_id": run_id})


async def test_a_result_waits_over_a_restart_and_is_gone_once_acknowledged(tmp_path: Path) -> None:
    first = open_at(tmp_path)
    first.add_result(result("a"))
    first.add_result(result("b"))
    await first.close()
    second = open_at(tmp_path)
    assert second.waiting() == ["a", "b"]
    assert await second.result("a") == result("a")
    second.acknowledged("a")
    await second.close()
    third = open_at(tmp_path)
    assert third.waiting() == ["b"]
    await third.close()


async def test_the_first_result_of_a_run_counts(tmp_path: Path) -> None:
    spool = open_at(tmp_path)
    spool.add_result(result("a", "first"))
    spool.add_result(result("a", "second"))
    found = await spool.result("a")
    assert found is not None and found.stdout == "first"
    await spool.close()


async def test_a_large_result_leaves_memory_and_comes_back_whole(tmp_path: Path) -> None:
    spool = open_at(tmp_path)
    large = result("a", "Grüße €\n" * 50_000)
    spool.add_result(large)
    await spool.flush()
    assert spool._outbox.entry("a").result is None  # type: ignore[union-attr]
    assert await spool.result("a") == large
    await spool.close()


async def test_the_file_shrinks_when_the_engine_has_everything(tmp_path: Path) -> None:
    spool = open_at(tmp_path)
    for number in range(30):
        spool.add_result(result(f"r{number}", "x" * 10_000))
        spool.acknowledged(f"r{number}")
    await spool.close()
    assert (tmp_path / "outbox").stat().st_size < 100_000


async def test_survives_compaction_with_results_still_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox.Outbox, "should_compact", lambda self: self.file.size > 50_000)
    spool = open_at(tmp_path)
    spool.add_result(result("kept", "k" * 30_000))
    for number in range(20):
        spool.add_result(result(f"r{number}", "x" * 10_000))
        spool.acknowledged(f"r{number}")
    await spool.flush()
    assert (await spool.result("kept")).stdout == "k" * 30_000  # type: ignore[union-attr]
    await spool.close()
    after = open_at(tmp_path)
    assert (await after.result("kept")).stdout == "k" * 30_000  # type: ignore[union-attr]
    await after.close()


async def test_there_is_a_place_for_every_run_that_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_RESULTS", 3)
    spool = open_at(tmp_path)
    assert spool.has_room(3)
    spool.add_result(result("a"))
    assert spool.has_room(2)
    assert not spool.has_room(3)
    monkeypatch.setattr(outbox, "MAX_BYTES", outbox.LARGEST_RESULT_BYTES)
    assert not spool.has_room(1)
    await spool.close()


async def test_survives_damage_and_saves_what_can_be_read(tmp_path: Path) -> None:
    spool = open_at(tmp_path)
    for name in ("a", "b", "c"):
        spool.add_result(result(name))
    await spool.close()
    path = tmp_path / "outbox"
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:-3] + b"???"
    path.write_bytes(b"\n".join(lines))
    after = open_at(tmp_path)
    assert after.waiting() == ["a", "c"]
    assert len(list(tmp_path.glob("outbox.bad-*"))) == 1
    await after.close()
    again = open_at(tmp_path)
    assert again.waiting() == ["a", "c"]
    await again.close()


def test_a_record_with_a_wrong_checksum_is_no_record() -> None:
    good = frame(b'{"a":1}')
    found = read_frames(good + good[:8] + b" " + b'{"a":2}\n' + good)
    assert [record for record, _ in found.records] == [b'{"a":1}', b'{"a":1}']
    assert found.damaged
    assert not read_frames(good + b"abc").damaged
    assert read_frames(good + b"abc").torn
    assert read_frames(good + b"\0" * 100).torn
    assert not read_frames(good).torn
