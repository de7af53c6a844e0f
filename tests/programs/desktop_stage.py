"""The role ``VNC`` in a process of its own, and viewers of it, for tests on real desktops."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from tests.programs.desktops import Person
from tests.programs.programs import REPOSITORY, base_environment, free_port, wait_for
from tests.programs.rfb import Streams, Viewer, viewing

from borealis_wire.desktop import DesktopKind, DesktopOrder
from borealis_wire.lines import write_line

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
        while (told := await caller.line())["type"] == "wait":
            assert "starting" in told["why"]
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


async def seen(viewer: Viewer) -> None:
    """Wait until the terminal is seen, ready to be typed into."""
    await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
    x, y = viewer.place_of(TERMINAL)  # a window manager puts it where it likes
    await viewer.click(x + 100, y + 100)


async def typed(viewer: Viewer, path: Path, text: str, *, also: str = "") -> None:
    """Type a command that writes ``text`` into a file; again if need be: a shell may not have come up yet."""
    for _ in range(20):
        await viewer.type(f"{also}printf %s {text} > {path}\n")
        for _ in range(20):
            if path.exists() and path.read_text() == text:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"{path} was not written")


def remains(person: Person) -> set[str]:
    """Files, displays and shared memory of desktops; others on this machine may have some too."""
    memory = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    places = (Path("/tmp/.X11-unix").glob("X*"), Path("/tmp").glob(".X*-lock"))
    found = {f"memory {words[1]}" for words in memory if words[7] == str(person.uid)}
    for path in (path for each in places for path in each):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_uid == person.uid:
                found.add(str(path))
    return found | {
        str(path.parent) for path in Path("/tmp").glob("borealis-desktop-*/Xauthority") if person.owns(path)
    }
