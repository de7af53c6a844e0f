"""``kill -9`` of a real agent while a desktop is watched: nothing of it is left, and it can be watched anew.

The orders are sealed here, with the Engine's own key: what the Engine does beside that is other tests' business.
"""

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.programs.desktop_stage import remains as remains_of
from tests.programs.desktops import MISSING, SKIP, Person, a_person, a_seat
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online
from tests.programs.remains import Rest, killed_at_work, offspring
from tests.programs.rfb import Streams, Viewer, viewing

from borealis_wire.desktop import DesktopKind, DesktopOrder
from borealis_wire.envelope import DESKTOP_TYPE, seal
from borealis_wire.lines import write_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]


class Scene:
    """An Engine and an agent on one machine, where the port of desktops is open on loopback."""

    def __init__(self, root: Path) -> None:
        settings = local_settings()
        self.port = int(settings["BOREALIS_DESKTOP_PORT"])
        self.engine = EngineProgram(root / "engine", environment=settings).start()
        code = self.engine.enrolment_token()
        self.agent = AgentProgram(root / "agent", "--installer-code", code, environment=settings)
        for name in ("DISPLAY", "XAUTHORITY"):
            self.agent.environment.pop(name, None)

    @contextlib.asynccontextmanager
    async def watching(self, person: Person, kind: DesktopKind) -> AsyncIterator[Viewer]:
        """Watch; fails where the agent lets nobody in."""
        now = int(time.time())
        order = DesktopOrder(
            str(uuid.uuid4()), str(uuid.uuid4()), self.agent.guid, "olga", kind, now, now + 60, user=person.name
        )
        envelope = seal(DESKTOP_TYPE, order.to_payload(), stolen_signing_key(self.engine))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        try:
            writer.write(write_line("open", envelope=envelope))
            while (told := json.loads(await reader.readline()))["type"] == "wait":
                pass
            assert told["type"] == "opened", told
            async with viewing(Streams(reader, writer)) as viewer:
                await viewer.until("a picture", lambda: viewer.updates > 0)
                yield viewer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_person(f"bok{os.getpid()}") as made, a_seat(made):
        yield made


@pytest.fixture(scope="module")
def scene(person: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """It ends before its person does, whose desktop waits until then."""
    found = Scene(tmp_path_factory.mktemp("kill-desktops"))
    try:
        enrol(found.engine, found.agent)
        yield found
    finally:
        found.agent.stop()
        found.engine.stop()


@pytest.mark.parametrize("kind", list(DesktopKind))
async def test_survives_kill_nine_while_a_desktop_is_watched(scene: Scene, person: Person, kind: DesktopKind) -> None:
    await asyncio.to_thread(wait_online, scene.engine, scene.agent)
    await asyncio.to_thread(wait_for, "the agent to rest", lambda: not offspring(scene.agent.pid))
    before, files = Rest.of(scene.agent), remains_of(person)

    def kill() -> None:
        with killed_at_work(scene.agent, before):
            wait_online(scene.engine, scene.agent)

    async with scene.watching(person, kind) as viewer:
        assert len(offspring(scene.agent.pid)) >= 3
        await asyncio.to_thread(kill)
        async with asyncio.timeout(30):
            await viewer.over.wait()
    await asyncio.to_thread(wait_for, "no file to be left", lambda: remains_of(person) <= files)
    async with scene.watching(person, kind):
        pass
    await asyncio.to_thread(
        wait_for, "the agent to rest", lambda: kind is DesktopKind.OWN or not offspring(scene.agent.pid)
    )
