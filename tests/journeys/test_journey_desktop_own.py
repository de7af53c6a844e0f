"""Desktops of their own, begun for a real user: used, left, taken up again, ended; and ``kill -9`` of every kind."""

import asyncio
import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.desktop_stage import SECONDS, TERMINAL, Agent, calling, order, remains, seen, typed, watching
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.programs import wait_for
from tests.programs.remains import has_ended

from borealis_wire.desktop import DesktopKind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]


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


async def test_a_desktop_of_its_own_is_resized_and_waits_for_its_operator(agent: Agent, person: Person) -> None:
    session, before = str(uuid.uuid4()), remains(person)
    (person.home / ".Xdefaults").write_text("XTerm*background: #102040\nXTerm*foreground: #ffffff\n")
    asked = {"kind": DesktopKind.OWN, "session_id": session, "width": 1000, "height": 700}
    async with watching(agent, order(person.name, **asked)) as (viewer, told):
        assert (told["user"], viewer.width, viewer.height) == (person.name, 1000, 700)
        await seen(viewer)
        await typed(viewer, person.home / "own", "mine", also="kept=still; ")
        assert person.owns(person.home / "own")
        assert viewer.can_resize
        await viewer.resize(1200, 640)
        await viewer.until("another size", lambda: (viewer.width, viewer.height) == (1200, 640))
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        server = next(one for one in agent.family() if one.name() == "Xvnc")
        assert server.uids().real == person.uid
        assert not [
            one for process in agent.family() for one in process.net_connections("tcp") if one.status == "LISTEN"
        ]
        assert await others_get_nothing(person)
    assert agent.health()["own"] == 1
    async with watching(agent, order(person.name, **asked)) as (viewer, _):
        assert (viewer.width, viewer.height) == (1200, 640)
        await seen(viewer)
        await typed(viewer, person.home / "again", "still")
    async with watching(agent, order(person.name, **asked, view_only=True)) as (viewer, _):
        await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
        await viewer.type(f"touch {person.home}/forbidden\n")
        await viewer.resize(800, 600)
        async with watching(agent, order(person.name, **asked)) as (second, _):
            async with asyncio.timeout(SECONDS):
                await viewer.over.wait()  # there is one connection to it at a time
            await second.until("the terminal", lambda: second.count(TERMINAL) > 20_000)
            assert (second.width, second.height) == (1200, 640)
            await typed(second, person.home / "third", "3")
    assert not (person.home / "forbidden").exists()
    agent.stop()
    wait_for("nothing to be left", lambda: remains(person) <= before)


async def others_get_nothing(person: Person) -> bool:
    """Whether neither the socket of the server nor the display is open to another account."""
    (cookie,) = [path for path in Path("/tmp").glob("borealis-desktop-*/Xauthority") if person.owns(path)]
    folder = cookie.parent
    tried = [
        subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "ls", str(place)], capture_output=True, check=False
        )
        for place in (folder, folder / "server")
    ]
    return all(one.returncode != 0 for one in tried) and cookie.stat().st_mode & 0o77 == 0


async def test_rejects_another_operator_at_a_desktop_of_ones_own(agent: Agent, person: Person) -> None:
    import dataclasses

    mine = order(person.name, kind=DesktopKind.OWN)
    async with watching(agent, mine):
        theirs = dataclasses.replace(mine, order_id=str(uuid.uuid4()), asked_by="mallory")
        async with calling(agent, theirs) as caller:
            told = await caller.line()
            assert (told["type"], told["reason"]) == ("refused", "gone")


async def test_a_desktop_that_nobody_comes_back_to_is_ended(tmp_path: Path, person: Person) -> None:
    agent = Agent(tmp_path, "0.5")
    agent.start()
    try:
        async with watching(agent, order(person.name, kind=DesktopKind.OWN)) as (viewer, _):
            await viewer.until("a picture", lambda: viewer.updates > 0)
        wait_for("nothing to be left", lambda: not agent.family() and agent.health()["own"] == 0)
        assert "nobody came back" in agent.log
    finally:
        agent.stop()


async def test_a_desktop_ends_with_its_session_and_with_the_role(agent: Agent, seat: Seat, person: Person) -> None:
    async with watching(agent, order(person.name, kind=DesktopKind.OWN)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
        (manager,) = [one for one in agent.family() if Path(one.exe()).name == "openbox"]
        manager.terminate()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
    wait_for("nothing to be left", lambda: not agent.family())
    assert "Its session ended." in agent.log
    before = remains(person)
    async with contextlib.AsyncExitStack() as open_now:
        viewers = [
            (await open_now.enter_async_context(watching(agent, order(person.name, kind=kind))))[0]
            for kind in DesktopKind
        ]
        family = agent.family()
        await asyncio.to_thread(agent.stop)
        async with asyncio.timeout(SECONDS):
            for viewer in viewers:
                await viewer.over.wait()
    assert all(has_ended(one) for one in family)
    assert remains(person) <= before


@pytest.mark.parametrize("kind", list(DesktopKind))
async def test_survives_kill_nine_of_its_agent(agent: Agent, seat: Seat, person: Person, kind: DesktopKind) -> None:
    before = remains(person)
    async with watching(agent, order(person.name, kind=kind)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
        family = agent.family()
        assert len(family) >= 3
        assert remains(person) != before or kind is DesktopKind.SCREEN
        agent.kill()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
        await asyncio.to_thread(wait_for, "nothing to run", lambda: all(has_ended(one) for one in family))
        await asyncio.to_thread(wait_for, "nothing to be left", lambda: remains(person) <= before)


@pytest.mark.parametrize("kind", list(DesktopKind))
async def test_survives_kill_nine_of_what_keeps_a_desktop(
    agent: Agent, seat: Seat, person: Person, kind: DesktopKind
) -> None:
    before = remains(person)
    async with watching(agent, order(person.name, kind=kind)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
        family = agent.family()
        (keeper,) = [one for one in family if one.ppid() == agent.process.pid]
        keeper.kill()
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()
        await asyncio.to_thread(wait_for, "nothing to run", lambda: all(has_ended(one) for one in family))
        await asyncio.to_thread(wait_for, "nothing to be left", lambda: remains(person) <= before)
    async with watching(agent, order(person.name, kind=kind)) as (viewer, _):
        await viewer.until("a picture", lambda: viewer.updates > 0)
