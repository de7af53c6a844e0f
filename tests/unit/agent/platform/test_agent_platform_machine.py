"""The machine's own figures."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from borealis_agent.platform import machine
from borealis_agent.platform.protection import FileModes, protection_for
from borealis_wire.events import RunContext

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX figures")


def test_names_and_rights_are_the_systems() -> None:
    import pwd

    assert machine.hostname() == socket.gethostname()
    names = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    assert machine.current_user() == names.get(os.geteuid(), str(os.geteuid()))
    assert machine.is_privileged() == (os.geteuid() == 0)


def test_a_machine_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: " ")
    assert machine.hostname() == "unknown"
    monkeypatch.setattr(socket, "gethostname", lambda: "x" * 300)
    assert len(machine.hostname()) == 253


def test_figures_are_in_their_range() -> None:
    uptime, memory = machine.uptime_seconds(), machine.memory_percent()
    assert uptime is not None
    assert uptime > 0
    assert memory is not None
    assert 0 < memory < 100
    assert machine.operating_system()
    meter = machine.CpuMeter()
    started = time.monotonic()
    while time.monotonic() - started < 0.05:
        sum(range(1000))
    percent = meter.percent()
    assert percent is None or 0 <= percent <= 100


def test_survives_a_system_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from borealis_agent.platform import linux

    monkeypatch.setattr(linux, "_PROC", tmp_path)
    assert linux.memory_percent() is None
    assert linux.CpuMeter().percent() is None
    (tmp_path / "stat").write_text("cpu rubbish\n")
    (tmp_path / "meminfo").write_text("MemTotal: 0 kB\nMemAvailable: 0 kB\n")
    assert linux.memory_percent() is None
    assert linux.CpuMeter().percent() is None


def test_the_load_is_what_the_counters_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from borealis_agent.platform import linux

    monkeypatch.setattr(linux, "_PROC", tmp_path)
    (tmp_path / "stat").write_text("cpu  100 0 100 700 100 0 0 0 5 5\ncpu0 …\n")
    meter = linux.CpuMeter()
    (tmp_path / "stat").write_text("cpu  150 0 125 725 100 0 0 0 9 9\ncpu0 …\n")
    assert meter.percent() == 75.0
    assert meter.percent() is None


def test_processes_are_found_whoever_owns_them() -> None:
    assert machine.process_exists(os.getpid())
    assert machine.process_exists(1)
    assert not machine.process_exists(2**22 + 1)


def test_files_are_protected_by_their_modes_here() -> None:
    protection = protection_for(RunContext.SYSTEM)
    assert isinstance(protection, FileModes)
    assert protection.unprotect(protection.protect(b"secret")) == b"secret"
