"""An operator at a desktop of a real device: live picture, typed text, only looking, consent, an own desktop."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.programs.desktop_streams import DesktopSocket, open_desktop
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.desktops import TERMINAL as XTERM
from tests.programs.local import local_pair
from tests.programs.programs import DATA, AgentProgram, EngineProgram, base_environment, enrol, wait_for
from tests.programs.remains import offspring
from tests.programs.rfb import Streams, Viewer, viewing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]
TERMINAL = (0x10, 0x20, 0x40)
ASKS, SIGN = "Borealis: a request", "Borealis: somebody watches"


@dataclass
class Scene:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    person: Person

    def policy(self, **changes: Any) -> None:
        """What holds for all devices from now on."""
        with self.engine.owner() as owner:
            answer = owner.put("/api/desktop/policy", json={"consent": "never", **changes})
            assert answer.status_code == 200, answer.text

    def audit_of_close(self) -> dict[str, Any]:
        """What is on record of the last connection, once it is."""

        def row() -> dict[str, Any] | None:
            with self.engine.owner() as owner:
                found = owner.get("/api/audit").json()["entries"]
            mine = [one for one in found if one["action"] in {"desktop.open", "desktop.close"}]
            return dict(mine[0]["detail"]) if mine and mine[0]["action"] == "desktop.close" else None

        return wait_for("the end to be on record", row)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """One Engine and one agent, as root, for all of these, and a person who may sign in there."""
    with tempfile.TemporaryDirectory(prefix="borealis-desktop-") as folder, a_person(f"bod{os.getpid()}") as person:
        engine, agent = local_pair(Path(folder))
        try:
            yield Scene(engine, agent, enrol(engine, agent), person)
        finally:
            agent.stop()
            engine.stop()


@pytest.fixture
def seat(scene: Scene) -> Iterator[Seat]:
    with a_seat(scene.person) as made:
        yield made
    scene.policy()


@contextlib.asynccontextmanager
async def watching(scene: Scene, **asked: Any) -> AsyncIterator[tuple[Viewer, DesktopSocket]]:
    """Open and view. Other tests have screens on this machine too: the person's is asked for."""
    async with open_desktop(scene.engine, scene.guid, user=scene.person.name, **asked) as socket:
        await socket.opened()
        async with viewing(socket.stream) as viewer:
            yield viewer, socket


async def typed(viewer: Viewer, path: Path, text: str, *, becomes: str = "") -> None:
    """Type a command that writes ``text`` into a file; again if need be: a shell may not have come up yet."""
    for _ in range(20):
        await viewer.type(f"printf %s {text} > {path}\n")
        for _ in range(20):
            if path.exists() and path.read_text() == (becomes or text):
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"{path} was not written")


async def test_an_operator_sees_a_live_screen_and_types_into_it(scene: Scene, seat: Seat) -> None:
    path = scene.person.home / "typed"
    async with watching(scene) as (viewer, socket):
        told = socket.told[-1]
        assert (told["user"], told["kind"], told["view_only"]) == (scene.person.name, "screen", False)
        assert (viewer.width, viewer.height) == (told["width"], told["height"]) == (1024, 700)
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.click(300, 300)
        await typed(viewer, path, "hello-42")
        assert scene.person.owns(path)
        assert SIGN in seat.windows()
        before = viewer.updates
        seat.start("xterm", "-geometry", "20x5+700+400", "-bg", "#a0e040")
        await viewer.until("another window", lambda: viewer.updates > before and viewer.count((160, 224, 64)) > 1000)
        with scene.engine.owner() as owner:
            (mine,) = owner.get("/api/desktop/sessions", params={"device": scene.guid}).json()["sessions"]
        assert (mine["user"], mine["kind"], mine["view_only"]) == (scene.person.name, "screen", False)
    closed = scene.audit_of_close()
    assert (closed["consent"], closed["account"]) == ("not asked", scene.person.name)
    wait_for("the sign to be gone", lambda: SIGN not in seat.windows())
    with scene.engine.owner() as owner:
        row, *_ = owner.get("/api/runs", params={"kind": "desktop"}).json()["runs"]
    assert (row["status"], row["script_name"]) == ("Completed", f"Desktop: screen of {scene.person.name}")


async def test_rejects_what_an_operator_types_who_may_only_look(scene: Scene, seat: Seat) -> None:
    path = scene.person.home / "not-typed"
    scene.policy(view_only=True)
    async with watching(scene, view_only=False) as (viewer, socket):
        assert socket.told[-1]["view_only"] is True
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        before = viewer.updates
        await viewer.click(300, 300)
        await viewer.type(f"touch {path}\n")
        await viewer.cut("smuggled")
        # What comes after shows that what came before was looked at.
        seat.start("xterm", "-geometry", "20x5+700+400", "-bg", "#a0e040")
        await viewer.until("another window", lambda: viewer.updates > before and viewer.count((160, 224, 64)) > 1000)
        await asyncio.sleep(1)
    assert not path.exists()


@pytest.mark.parametrize("answer", ["yes", "no", "silence"])
async def test_the_user_is_asked_where_the_policy_says_so(scene: Scene, seat: Seat, answer: str) -> None:
    scene.policy(consent="ask", ask_seconds=5 if answer == "silence" else 60)
    async with open_desktop(scene.engine, scene.guid, user=scene.person.name) as socket:
        waited = await socket.next_word()
        assert (waited["event"], waited["seconds"]) == ("wait", 5 if answer == "silence" else 60)
        x, y, width, height = await asyncio.to_thread(seat.wait_window, ASKS)
        if answer != "silence":
            await asyncio.sleep(1.2)  # a click sooner than that counts for nothing
            from_right = 220 if answer == "yes" else 80
            await asyncio.to_thread(seat.click, x + width - from_right, y + height - 30)
        said = await socket.next_word()
        if answer == "yes":
            assert said["event"] == "opened"
            async with viewing(socket.stream) as viewer:
                await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        else:
            assert (said["event"], said["error"]) == ("closed", "desktop_refused")
    assert scene.audit_of_close()["consent"] == ("given" if answer == "yes" else "not given")


async def test_a_desktop_of_its_own_waits_for_its_operator(scene: Scene) -> None:
    path = scene.person.home / "kept"
    terminal = scene.person.home / ".xsession"
    # Openbox passes over what shows itself while it starts.
    terminal.write_text(f'#!/bin/sh\nexec openbox --startup "{XTERM}"\n')
    terminal.chmod(0o755)
    asked: dict[str, Any] = {"kind": "own", "width": 900, "height": 640}
    async with watching(scene, **asked) as (viewer, _):
        assert (viewer.width, viewer.height) == (900, 640)
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.click(300, 300)
        await typed(viewer, path, "first")
        await viewer.type("KEPT=still-there\n")
        await viewer.resize(1100, 700)
        await viewer.until("the other size", lambda: (viewer.width, viewer.height) == (1100, 700))
    async with watching(scene, **asked) as (viewer, _):
        assert (viewer.width, viewer.height) == (1100, 700)
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.click(300, 300)
        # What the shell remembers shows that it is the same one.
        await typed(viewer, path, "$KEPT", becomes="still-there")


async def test_what_an_operator_has_open_ends_with_the_users_word(scene: Scene, seat: Seat) -> None:
    async with watching(scene) as (viewer, _):
        x, y, width, height = await asyncio.to_thread(seat.wait_window, SIGN)
        await asyncio.to_thread(seat.click, x + width - 30, y + height // 2)
        async with asyncio.timeout(30):
            await viewer.over.wait()
    scene.audit_of_close()
    with scene.engine.owner() as owner:
        assert owner.get("/api/desktop/sessions").json()["sessions"] == []
    wait_for(
        "no screen to be served",
        lambda: not [one for one in offspring(scene.agent.pid) if one.name() == "x11vnc"],
    )


async def test_a_viewer_of_the_operators_own_machine_is_carried_by_the_command_line(scene: Scene, seat: Seat) -> None:
    with command(scene, "desktop", "--listen", "0", "--view-only", "--user", scene.person.name, scene.guid) as program:
        assert program.stdout is not None
        said = await asyncio.to_thread(program.stdout.readline)
        port = int(said.partition(" port ")[2].split()[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        async with viewing(Streams(reader, writer)) as viewer:
            await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
            # One viewer, and nobody behind it.
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)
            with command(scene, "desktops") as listing:
                table, _ = await asyncio.to_thread(listing.communicate, timeout=60)
            assert "view only" in table
            with scene.engine.owner() as owner:
                (mine,) = owner.get("/api/desktop/sessions").json()["sessions"]
            with command(scene, "desktops", "end", mine["id"]) as ending:
                await asyncio.to_thread(ending.communicate, timeout=60)
            async with asyncio.timeout(60):
                await viewer.over.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        _, told = await asyncio.to_thread(program.communicate, timeout=60)
        assert (program.returncode, "owner ended it." in told) == (0, True)


@contextlib.contextmanager
def command(scene: Scene, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """The command line, as the Engine's owner; ended where it did not end by itself."""
    path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
    with subprocess.Popen(
        [sys.executable, "-m", "borealis_cli", *words],
        env={**base_environment(), "BOREALIS_ROOT": str(scene.engine.root), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.terminate()
