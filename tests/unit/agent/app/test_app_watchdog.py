"""What ends an agent that stands still or grows, and what the next start tells of it."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_agent.app.watchdog import HANG, LIMIT, Overgrown, Watchdog
from borealis_agent.platform import machine

MB = 1024 * 1024
STANDS_STILL = """
import asyncio, ctypes, sys, time
from pathlib import Path
from borealis_agent.app.watchdog import Watchdog

def where_it_stands():
    if sys.argv[2] == "python":
        time.sleep(60)
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(60_000)  # as below
    lock, calls = ctypes.create_string_buffer(128), ctypes.PyDLL(None)
    for _ in range(2):
        calls.pthread_mutex_lock(lock)  # the second never comes back, and the interpreter is held meanwhile

async def main():
    watchdog = Watchdog(Path(sys.argv[1]), settings=lambda: {"hang_seconds": 2}, memory=lambda: None)
    task = asyncio.create_task(watchdog.run())
    await asyncio.sleep(float(sys.argv[3]))
    where_it_stands()

asyncio.run(main())
"""


def watched(path: Path, *, used: int | None = None, **settings: object) -> Watchdog:
    return Watchdog(path, settings=lambda: settings, memory=lambda: used)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["python", "c"])
def test_survives_a_loop_that_stands_still(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "standstill"
    command = [sys.executable, "-c", STANDS_STILL, str(path), kind, "0.2"]
    done = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    watched(path).tell_last()
    assert "stood still" in caplog.text
    assert "in where_it_stands" in caplog.text
    assert not path.exists()
    caplog.clear()
    watched(path).tell_last()
    assert caplog.text == "", "it is told once"


@pytest.mark.slow
def test_a_loop_that_turns_is_left_alone(tmp_path: Path) -> None:
    code = STANDS_STILL.replace("    where_it_stands()\n\nasyncio", "    print('well')\n\nasyncio")
    command = [sys.executable, "-c", code, str(tmp_path / "standstill"), "python", "4.5"]
    done = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")
    assert (tmp_path / "standstill").read_bytes() == b""


@pytest.mark.parametrize(
    ("used", "limit", "ends"),
    [
        (513 * MB, None, True),
        (512 * MB, None, False),
        (513 * MB, 600, False),
        (601 * MB, 600, True),
        (127 * MB, 1, False),
        (129 * MB, 1, True),
        (600 * MB, "much", True),
        (600 * MB, float("nan"), True),
        pytest.param(600 * MB, 10**400, False, id="a number that no float holds"),
        pytest.param(600 * MB, -(10**400), True, id="and one below zero"),
        (600 * MB, True, True),
        (None, 200, False),
    ],
)
async def test_memory_has_a_bound(tmp_path: Path, used: int | None, limit: object, ends: bool) -> None:
    watchdog = watched(tmp_path / "standstill", used=used, **{LIMIT: limit, HANG: 60})
    task = asyncio.create_task(watchdog.run())
    await asyncio.wait([task], timeout=0.05)
    assert task.done() is ends
    if ends:
        with pytest.raises(Overgrown, match=r"holds \d+ MB of memory, and may hold \d+"):
            await task
    task.cancel()
    await asyncio.wait([task])


async def test_survives_a_file_that_is_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        watched(tmp_path).tell_last()
        task = asyncio.create_task(watched(tmp_path).run())
        await asyncio.wait([task], timeout=0.05)
    assert not task.done(), "it watches all the same"
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text
    task.cancel()
    await asyncio.wait([task])


def test_this_process_knows_its_memory() -> None:
    used = machine.own_memory()
    assert used is not None
    assert 10 * MB < used < 4096 * MB
