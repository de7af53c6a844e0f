"""Which processes a new life of an agent ends, and which it leaves alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("Linux alone has labels", allow_module_level=True)

from borealis_agent.platform.label import VARIABLE, own_label
from borealis_agent.platform.life import end_earlier, label_children


def sleeper(environ: dict[str, str], **options: bool) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **environ}, **options)  # type: ignore[call-overload, no-any-return]


async def test_what_an_earlier_life_left_in_its_session_ends_and_nothing_else(tmp_path: Path) -> None:
    earlier: dict[str, str] = {}
    now: dict[str, str] = {}
    other: dict[str, str] = {}
    label_children(tmp_path, earlier)
    label = label_children(tmp_path, now)
    label_children(tmp_path / "other", other)
    left = [sleeper(earlier), sleeper({**earlier, "MORE": "1"})]
    kept = [sleeper(now), sleeper(other), sleeper({}), sleeper(earlier, start_new_session=True)]
    try:
        assert await end_earlier(tmp_path, label) == len(left)
        assert [one.wait(5) for one in left] == [-9, -9]
        assert [one.poll() for one in kept] == [None] * len(kept)
    finally:
        for one in (*left, *kept):
            one.kill()
            one.wait()


async def test_an_agent_without_a_label_ends_nothing(tmp_path: Path) -> None:
    assert await end_earlier(tmp_path, "") == 0


def test_a_child_with_an_environment_of_its_own_gets_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert own_label() == {}
    monkeypatch.setenv(VARIABLE, "a.1.b")
    assert own_label() == {VARIABLE: "a.1.b"}
