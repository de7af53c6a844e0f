"""What systemd hears of the agent, over a real socket of the kind that it listens on."""

import os
import socket
from pathlib import Path

import pytest

from borealis_agent.app.service_manager import ALIVE, READY, ServiceManager
from borealis_agent.app.watchdog import Watchdog


def listener(name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(name)
    made.settimeout(5)
    return made


@pytest.mark.parametrize("abstract", [False, True])
def test_it_is_told_on_the_socket_that_it_named(tmp_path: Path, abstract: bool) -> None:
    name = f"@borealis-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listener("\0" + name[1:] if abstract else name) as heard:
        ServiceManager({"NOTIFY_SOCKET": name}).tell(READY, "STATUS=ä")
        assert heard.recv(100).decode() == "READY=1\nSTATUS=ä"


def test_survives_nobody_listening_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({}).tell(READY)
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    manager.tell(READY)
    manager.tell(ALIVE)
    assert len(caplog.records) == 1


def test_survives_a_manager_that_reads_nothing(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with listener(name):
        manager = ServiceManager({"NOTIFY_SOCKET": name})
        for _ in range(2000):
            manager.tell(ALIVE)


async def test_the_watchdogs_round_tells_that_the_loop_gets_on(tmp_path: Path) -> None:
    told: list[str] = []

    class Enough(Exception):
        pass

    def alive() -> None:
        told.append(ALIVE)
        if len(told) == 2:
            raise Enough

    watchdog = Watchdog(
        tmp_path / "standstill", settings=lambda: {"hang_seconds": 2.0}, memory=lambda: None, alive=alive
    )
    with pytest.raises(Enough):
        await watchdog.run()
