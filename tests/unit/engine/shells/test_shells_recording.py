"""Recordings: asciinema's form, what is printed and nothing that is typed, no larger than allowed, for nobody else."""

import json
import os
import sys
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_engine.shells import recording as files
from borealis_engine.shells.recording import WAKE_BYTES, Recording


def begun(path: Path, clock: FakeClock, *, most: int = 10_000_000) -> Recording:
    first = files.header(100, 30, started_at=1000.5, title="olga on lab")
    files.create(path, first)
    return Recording("r", path, clock=clock, size=len(first), most=most, hurry=lambda: None)


def test_a_recording_is_asciinemas(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "Recordings" / "r.cast"
    made = begun(path, clock)
    made.output("gr\u00fc\u00df\x1b[1m\r\n")
    made.resized(120, 40)
    files.append(path, made.take())
    head, first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert (head["version"], head["width"], head["height"], head["timestamp"]) == (2, 100, 30, 1000)
    assert first[1:] == ["o", "gr\u00fc\u00df\x1b[1m\r\n"]
    assert second[1:] == ["r", "120x40"]
    assert path.stat().st_size == made.size
    assert made.take() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_rejects_other_accounts_as_readers(tmp_path: Path) -> None:
    path = tmp_path / "Recordings" / "r.cast"
    before = os.umask(0)
    try:
        begun(path, FakeClock())
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_survives_a_flood_by_ending_the_recording_and_saying_so(tmp_path: Path) -> None:
    path = tmp_path / "Recordings" / "r.cast"
    hurried: list[bool] = []
    made = begun(path, FakeClock(), most=3 * WAKE_BYTES)
    made._hurry = lambda: hurried.append(True)
    for _ in range(1000):
        made.output("y\r\n" * 1000)
    assert made.cut
    assert hurried
    assert made.waiting_bytes < 3 * WAKE_BYTES + 1000
    files.append(path, made.take())
    assert "largest size" in path.read_text().splitlines()[-1]


def test_survives_a_file_that_was_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "Recordings" / "r.cast"
    made = begun(path, FakeClock())
    path.unlink()
    made.output("x")
    with pytest.raises(FileNotFoundError):
        files.append(path, made.take())
    assert not path.exists()
    made.broken()
    made.output("y")
    assert made.take() == b""
