"""The role ``VNC`` shows real screens of a real user, and desktops of that user's own; nothing of it is left."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.programs import REPOSITORY, base_environment, free_port, wait_for
from tests.programs.rfb import Streams, Viewer, viewing

from borealis_wire.desktop import DesktopKind, DesktopOrder
from borealis_wire.lines import write_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]
ASKS, SIGN = "Borealis: a request", "Borealis: somebody watches"
TERMINAL = (0x10, 0x20, 0x40)
SECONDS = 60.0


class Agent:
    """The role in its process."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.output = folder / "agent.out"
        self._options = options

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.programs.desktop_agent", str(self.folder), str(self.port)]
        environment = {**base_environment(), "PYTHONPATH": os.pathsep.join(sys.path)}
        for name in ("DISPLAY", "XAUTHORITY"):
            environment.pop(name, None)
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [*words, *self._options],
                env=environment,
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        wait_for("the role", lambda: "ready" in self.log, log=self.output)

    @property
    def log(self) -> str:
        return self.output.read_text()

    def health(self) -> dict[str, Any]:
        """What it reports now."""
        before = self.log.count("health ")
        assert self.process.stdin is not None
        self.process.stdin.write(b"health\n")
        self.process.stdin.flush()
        wait_for("its health", lambda: self.log.count("health ") > before, log=self.output)
        told: dict[str, Any] = json.loads(self.log.rpartition("health ")[2].partition("\n")[0])
        return told

    def family(self) -> list[psutil.Process]:
        """Everything below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        """In good order."""
        if self.process.poll() is None:
            self.process.communicate(b"stop\n", timeout=30)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        """``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Caller:
    """A connection to it: the Engine's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> dict[str, Any]:
        """The next line."""
        async with asyncio.timeout(SECONDS):
            told: dict[str, Any] = json.loads(await self.reader.readline())
        return told


@contextlib.asynccontextmanager
async def calling(agent: Agent, order: DesktopOrder) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, limit=1 << 22)
    try:
        writer.write(write_line("open", envelope=order.to_json()))
        yield Caller(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def watching(agent: Agent, order: DesktopOrder) -> AsyncIterator[tuple[Viewer, dict[str, Any]]]:
    """Open and view; gives what ``opened`` told."""
    async with calling(agent, order) as caller:
        told = await caller.line()
        assert told["type"] == "opened", (told, agent.log)
        async with viewing(Streams(caller.reader, caller.writer)) as viewer:
            yield viewer, told


def order(user: str = "", **members: Any) -> DesktopOrder:
    now = int(time.time())
    given = {"kind": DesktopKind.SCREEN, "session_id": str(uuid.uuid4()), **members}
    return DesktopOrder(
        order_id=str(uuid.uuid4()),
        device_guid="11111111-2222-4333-8444-555555555555",
        asked_by="olga",
        issued_at=now,
        expires_at=now + 60,
        user=user,
        **given,
    )


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_person(f"bov{os.getpid()}") as made:
        yield made


@pytest.fixture
def seat(person: Person) -> Iterator[Seat]:
    with a_seat(person) as made:
        yield made


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    program = Agent(tmp_path)
    program.start()
    yield program
    program.stop()


async def seen(viewer: Viewer) -> None:
    """Wait until the terminal is seen, ready to be typed into."""
    await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
    await viewer.click(300, 300)


async def typed(viewer: Viewer, path: Path, text: str, *, also: str = "") -> None:
    """Type a command that writes ``text`` into a file; again if need be: a shell may not have come up yet."""
    for _ in range(20):
        await viewer.type(f"{also}printf %s {text} > {path}\n")
        for _ in range(20):
            if path.exists() and path.read_text() == text:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"{path} was not written")


async def test_an_operator_sees_and_uses_the_screen_of_who_is_signed_in(
    agent: Agent, seat: Seat, person: Person
) -> None:
    async with watching(agent, order(person.name)) as (viewer, told):
        wanted = {"user": person.name, "view_only": False, "width": 1024, "height": 700, "signed_in": True}
        assert {name: told[name] for name in wanted} == wanted
        assert (viewer.width, viewer.height) == (1024, 700)
        await seen(viewer)
        assert SIGN in seat.windows()
        await typed(viewer, person.home / "typed", "hello-42")
        assert person.owns(person.home / "typed")
        before = viewer.updates
        await viewer.type("clear\n")
        await viewer.until("a live picture", lambda: viewer.updates > before)
        servers = [one for one in agent.family() if one.name() == "x11vnc"]
        assert [one.uids().real for one in servers] == [person.uid]
        assert not [
            one for process in agent.family() for one in process.net_connections("tcp") if one.status == "LISTEN"
        ]
        assert agent.health() | {"listening": ""} == {
            "state": "running",
            "listening": "",
            "screens": 1,
            "own": 0,
            "opened": 1,
            "servers": "x11vnc Xvnc",
        }
    wait_for("nothing to be left", lambda: not agent.family())
    assert SIGN not in seat.windows()
