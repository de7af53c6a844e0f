"""What the next start begins, as a table; and that no file, whatever stands in it, begins something new by accident."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.programs.systems import ON_WINDOWS

from borealis_base.trial import MAX_STARTS, Build, Update, decide, read_update, write_update

OLD, NEW = Build("0" * 16, "old"), Build("1" * 16, "new")
TRIAL = Update("r", "trial", OLD, NEW, seconds=180.0)
BEGUN = replace(TRIAL, starts=1, boot="b", until=1180.0)


@pytest.mark.parametrize(
    ("update", "now", "boot", "new", "state"),
    [
        (None, 1000, "b", False, ""),
        (replace(TRIAL, state="preparing"), 1000, "b", False, ""),
        (replace(TRIAL, state="failed"), 1000, "b", False, ""),
        (replace(TRIAL, state="rolled_back"), 1000, "b", False, ""),
        (replace(TRIAL, state="installed"), 1000, "b", False, ""),
        (TRIAL, 1000, "b", True, "trial"),
        (BEGUN, 1100, "b", True, "trial"),
        (BEGUN, 1180, "b", False, "rolled_back"),
        (replace(BEGUN, starts=MAX_STARTS), 1001, "b", False, "rolled_back"),
        (replace(BEGUN, reason="a role broke"), 1001, "b", False, "rolled_back"),
        # Another boot has another clock: time begins anew, the number of starts does not.
        (BEGUN, 5, "c", True, "trial"),
        (BEGUN, 99_999, "c", True, "trial"),
        (replace(BEGUN, starts=MAX_STARTS), 5, "c", False, "rolled_back"),
        # No boot id (Windows): a clock behind the trial's beginning is that of a later boot.
        (replace(BEGUN, boot=""), 5, "", True, "trial"),
        (replace(BEGUN, boot=""), 1181, "", False, "rolled_back"),
    ],
)
def test_the_next_start(update: Update | None, now: float, boot: str, new: bool, state: str) -> None:
    start = decide(update, boot=boot, now=now)
    assert (start.new, start.update.state if start.update else "", start.settle) == (new, state, False)
    if start.update is not None and state == "rolled_back":
        assert start.update.reason


def test_a_confirmed_version_is_begun_and_settled_however_late() -> None:
    start = decide(replace(BEGUN, state="confirmed", starts=9), boot="z", now=1e9)
    assert (start.new, start.settle, start.update) == (True, True, None)


@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from("abc")), min_size=1, max_size=12))
def test_no_series_of_crashes_and_reboots_begins_the_new_version_more_often_than_allowed(
    ends: list[tuple[float, str]],
) -> None:
    update: Update | None = TRIAL
    begun, now = 0, 1000.0
    for seconds, boot in ends:
        start = decide(update, boot=boot, now=now)
        update = start.update or update
        begun += start.new
        now += seconds
    assert begun <= MAX_STARTS
    assert len(ends) <= MAX_STARTS or (update is not None and update.state == "rolled_back")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "update.json"
    update = replace(BEGUN, roles=("one", "two"), reason="ä")
    write_update(path, update)
    assert read_update(path) == update
    assert ON_WINDOWS or path.stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_update(tmp_path: Path) -> None:
    assert read_update(tmp_path / "none") is None
    (tmp_path / "file").touch()
    assert read_update(tmp_path / "file" / "none") is None


@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_survives_any_file_and_begins_nothing_new_for_it(tmp_path_factory: pytest.TempPathFactory, raw: Any) -> None:
    path = tmp_path_factory.mktemp("torn") / "update.json"
    path.write_bytes(raw if isinstance(raw, bytes) else json.dumps(raw).encode())
    assert not decide(read_update(path), boot="b", now=0).new


@pytest.mark.parametrize(
    "change",
    [
        {"state": "new"},
        {"until": float("nan")},
        {"starts": "x"},
        {"old": []},
        {"new": {"version": 1, "environment": "e"}},
        {"new": {"version": "v", "environment": "e", "more": "m"}},
        {"roles": [1]},
        {"request_id": None},
    ],
)
def test_survives_a_file_that_is_almost_right(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "update.json"
    write_update(path, TRIAL)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert read_update(path) is None
