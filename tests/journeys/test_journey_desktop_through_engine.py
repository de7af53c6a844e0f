"""An operator sees and uses a device's desktops through a real Engine: ticket, WebSocket, device, and back."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from tests.programs.desktop_stage import SECONDS, TERMINAL, seen, typed
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.programs import AgentProgram, EngineProgram, enrol, free_port, wait_for
from tests.programs.remains import offspring
from tests.programs.rfb import Received, Viewer, viewing
from tests.programs.web import web_session

from borealis_agent.capabilities.desktop.signs import ASKS
from borealis_agent.capabilities.desktop.signs import WATCHES as SIGN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]


class Place:
    """An Engine and an agent on one machine, and a person who is signed in there."""

    def __init__(self, engine: EngineProgram, agent: AgentProgram, seat: Seat) -> None:
        self.engine, self.agent, self.seat = engine, agent, seat
        secret = (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {secret}"}

    @property
    def person(self) -> Person:
        """Who is signed in."""
        return self.seat.person

    def policy(self, **members: Any) -> None:
        """What holds for desktops of devices without a site."""
        body = {"site_id": None, "consent": "never", "ask_seconds": 30, "view_only": False, **members}
        with self.engine.owner() as client:
            answer = client.put("/api/desktop/policy", json=body)
        assert answer.status_code == 200, answer.text

    @contextlib.asynccontextmanager
    async def stream(self, **asked: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A ticket, and the WebSocket that it is for."""
        async with web_session(self.engine.tls()) as web:
            body = {"agent_id": self.agent.guid, "user": self.person.name, **asked}
            place = f"{self.engine.url}/api/desktop/session"
            async with web.post(place, json=body, headers=self._headers) as answer:
                ticket = await answer.json()
                assert answer.status == 201, ticket
            where = f"{self.engine.url}{ticket['path']}?token={ticket['token']}"
            async with web.ws_connect(where, headers=self._headers, max_msg_size=0) as stream:
                yield stream

    @contextlib.asynccontextmanager
    async def watching(self, **asked: Any) -> AsyncIterator[tuple[Viewer, dict[str, Any]]]:
        """See a desktop; gives what the Engine told of it."""
        async with self.stream(**asked) as stream:
            while (told := await event_of(stream))["event"] == "wait":
                pass
            assert told["event"] == "opened", told

            async def receive() -> bytes:
                message = await stream.receive()
                return message.data if message.type is aiohttp.WSMsgType.BINARY else b""

            async with viewing(Received(receive, stream.send_bytes)) as viewer:
                yield viewer, told


async def event_of(stream: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """What the Engine says next."""
    message = await stream.receive(SECONDS)
    assert message.type is aiohttp.WSMsgType.TEXT, message
    told: dict[str, Any] = json.loads(message.data)
    return told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("desktops")
    settings = {"BOREALIS_TUNNEL_LOCAL": "1", "BOREALIS_DESKTOP_PORT": str(free_port())}
    with contextlib.ExitStack() as ending:
        seat = ending.enter_context(a_seat(ending.enter_context(a_person(f"boe{os.getpid()}"))))
        engine = EngineProgram(root / "engine", environment=settings)
        ending.callback(engine.stop)
        engine.start()
        agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
        for name in ("DISPLAY", "XAUTHORITY"):
            agent.environment.pop(name, None)
        ending.callback(agent.stop)
        enrol(engine, agent)
        yield Place(engine, agent, seat)


@pytest.mark.parametrize("kind", ["screen", "own"])
async def test_an_operator_sees_and_uses_a_desktop_of_a_device(place: Place, kind: str) -> None:
    resources = place.person.home / ".Xdefaults"
    resources.write_text("XTerm*background: #102040\nXTerm*foreground: #ffffff\n")
    async with place.watching(kind=kind, width=1000, height=700) as (viewer, told):
        assert (told["user"], told["kind"], told["view_only"]) == (place.person.name, kind, False)
        await seen(viewer)
        await typed(viewer, place.person.home / kind, "hello-42")
        assert place.person.owns(place.person.home / kind)


async def test_a_policy_asks_the_user_and_the_answer_reaches_the_operator(place: Place) -> None:
    place.policy(consent="ask", ask_seconds=60)
    try:
        for allowed, from_right in ((False, 80), (True, 220)):
            async with place.stream(kind="screen") as stream:
                assert (await event_of(stream))["event"] == "wait"
                x, y, width, height = await asyncio.to_thread(place.seat.wait_window, ASKS)
                await asyncio.sleep(1.2)  # a click sooner than that counts for nothing
                await asyncio.to_thread(place.seat.click, x + width - from_right, y + height - 30)
                told = await event_of(stream)
                assert told["event"] == ("opened" if allowed else "closed"), told
                assert allowed or "did not allow it" in told["detail"]
    finally:
        place.policy()


async def test_rejects_to_type_where_the_policy_lets_operators_only_look(place: Place) -> None:
    place.policy(view_only=True)
    try:
        async with place.watching(kind="screen") as (viewer, told):
            assert told["view_only"] is True
            await viewer.until("the terminal", lambda: viewer.count(TERMINAL) > 20_000)
            await viewer.type(f"touch {place.person.home}/forbidden\n")
            place.seat.start("xterm", "-geometry", "40x5+20+400", "-bg", "#20a040")
            await viewer.until("a live picture", lambda: viewer.count((0x20, 0xA0, 0x40)) > 2_000)
        assert not (place.person.home / "forbidden").exists()
    finally:
        place.policy()


async def test_what_an_operator_has_open_ends_with_the_users_word(place: Place) -> None:
    async with place.watching(kind="screen") as (viewer, _):
        x, y, width, height = await asyncio.to_thread(place.seat.wait_window, SIGN)
        await asyncio.to_thread(place.seat.click, x + width - 30, y + height // 2)
        async with asyncio.timeout(SECONDS):
            await viewer.over.wait()

    def quiet() -> bool:
        with place.engine.owner() as client:
            return client.get("/api/desktop/sessions").json()["sessions"] == []

    await asyncio.to_thread(wait_for, "nobody to watch", quiet)
    await asyncio.to_thread(
        wait_for,
        "no screen to be served",
        lambda: not [one for one in offspring(place.agent.pid) if one.name() == "x11vnc"],
    )
