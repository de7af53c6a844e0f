"""A pid alone is nobody: start time and boot belong to it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_bootstrap.processes import Identity, end, identity_of, is_alive, parse_identity, read_identity, send


@pytest.fixture
def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_we_know_ourselves() -> None:
    me = identity_of(os.getpid())
    assert me is not None
    assert is_alive(me)


@pytest.mark.parametrize("text", ["", "12", "x 1 b", "12 1", "1 1 b", "0 1 b", "-5 1 b", "12 1 b more", "\0\0\0"])
def test_rejects_torn_or_foreign_pid_files(text: str) -> None:
    assert parse_identity(text) is None


def test_a_missing_file_names_nobody(tmp_path: Path) -> None:
    assert read_identity(tmp_path / "none") is None
    assert not is_alive(None)


def test_rejects_to_signal_a_process_that_only_has_the_same_number(sleeper: "subprocess.Popen[bytes]") -> None:
    real = identity_of(sleeper.pid)
    assert real is not None
    impostors = [Identity(real.pid, "1", real.boot), Identity(real.pid, real.start, "another boot")]
    for impostor in impostors:
        assert not send(impostor, signal.SIGKILL)
    assert sleeper.poll() is None
    assert send(real, signal.SIGKILL)
    sleeper.wait(5)


def test_a_zombie_is_not_alive(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identity_of(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(identity)
    sleeper.wait(5)


@pytest.mark.slow
def test_what_does_not_end_is_killed_and_that_is_told() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    stubborn = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    assert end(identity_of(stubborn.pid), seconds=0.2) is False
    stubborn.wait(5)
    stubborn.stdout.close()


def test_a_process_without_proc_is_known_by_ps(tmp_path: Path) -> None:
    me = identity_of(os.getpid(), tmp_path / "no proc here")
    assert me is not None
    assert (me.pid, me.boot) == (os.getpid(), "-")
    assert me.start.count("_") == 4
