"""The driver against a real Socket.IO server on loopback: greeting, calls, losses, refusals."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import socketio
from aiohttp import web
from tests.fakes.fake_http import FakeHttp

from borealis_agent.link import Link, NotConnected
from borealis_base.clock import SystemClock
from borealis_base.tasks import Supervisor

pytestmark = pytest.mark.slow


class RecordingInbox:
    """Implements ``link.ports.Inbox``."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.began = 0

    async def job_arrived(self, payload: Any, *, polled: bool = False) -> dict[str, Any]:
        self.seen.append(("polled job" if polled else "job", payload))
        return {"status": "accepted"}

    async def cancel_arrived(self, payload: Any) -> None:
        self.seen.append(("cancel", payload))

    async def keys_arrived(self, payload: Any) -> None:
        self.seen.append(("keys", payload))

    async def event_arrived(self, event: str, payload: Any) -> Any:
        self.seen.append((event, payload))
        if event == "explode":
            raise RuntimeError("a handler failed")
        return {"heard": event}

    def running_ids(self) -> list[str]:
        return ["run-1"]

    def session_began(self) -> None:
        self.began += 1


class TinyEngine:
    """A Socket.IO server that greets, and does what a test tells it."""

    def __init__(self) -> None:
        self.server = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"])
        self.hellos: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.refuse = ""
        self.silent = False
        self.sid = ""
        self._runner: web.AppRunner | None = None
        self.port = 0

        async def connect(sid: str, environ: dict[str, Any], _auth: Any) -> None:
            self.tokens.append(environ.get("HTTP_AUTHORIZATION", ""))
            if self.refuse:
                raise socketio.exceptions.ConnectionRefusedError(self.refuse, {"error": self.refuse, "detail": "no"})
            self.sid = sid

        async def hello(_sid: str, data: dict[str, Any]) -> dict[str, Any]:
            self.hellos.append(data)
            return {"status": "ok", "protocol_version": 1}

        async def echo(_sid: str, data: Any) -> Any:
            if self.silent:
                await asyncio.sleep(60)
            return data

        for name, handler in (("connect", connect), ("connect_agent", hello), ("echo", echo)):
            self.server.on(name, handler)

    async def start(self) -> None:
        app = web.Application()
        self.server.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@pytest.fixture
async def engine() -> AsyncIterator[TinyEngine]:
    tiny = TinyEngine()
    await tiny.start()
    yield tiny
    await tiny.stop()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class World:
    """A link that runs."""

    def __init__(self, engine: TinyEngine) -> None:
        self.http = FakeHttp(f"http://127.0.0.1:{engine.port}")
        self.inbox = RecordingInbox()
        self.changes: list[bool] = []
        self.link = Link(
            http=self.http,  # type: ignore[arg-type]
            inbox=self.inbox,
            clock=SystemClock(),
            rng=random.Random(0),
            hostname=lambda: "host",
        )
        self.link.on_change(self.changes.append)


@pytest.fixture
async def world(engine: TinyEngine) -> AsyncIterator[World]:
    made = World(engine)
    async with Supervisor() as tasks:
        tasks.start("link", made.link.run())
        yield made


async def test_it_connects_greets_and_says_what_it_has(engine: TinyEngine, world: World) -> None:
    await until(lambda: world.link.connected)
    (hello,) = engine.hellos
    assert hello["running"] == ["run-1"]
    assert hello["protocol_version"] == 1
    assert hello["agent_id"].startswith("host_")
    assert engine.tokens == ["Bearer token-1"]
    assert world.changes == [True]
    assert world.inbox.began == 1


async def test_events_reach_the_inbox_and_their_answers_go_back(engine: TinyEngine, world: World) -> None:
    await until(lambda: world.link.connected)
    assert await engine.server.call("quick_job_run", {"n": 1}, to=engine.sid) == {"status": "accepted"}
    assert await engine.server.call("agent_config", {"roles": []}, to=engine.sid) == {"heard": "agent_config"}
    assert await engine.server.call("explode", {}, to=engine.sid) is None
    await engine.server.emit("quick_job_cancel", {"n": 2}, to=engine.sid)
    await engine.server.emit("signing_keys_changed", {"n": 3}, to=engine.sid)
    await until(lambda: len(world.inbox.seen) == 5)
    assert [name for name, _ in world.inbox.seen] == ["job", "agent_config", "explode", "cancel", "keys"]
    assert world.link.connected


async def test_a_call_gives_the_answer_and_waits_no_longer_than_the_socket_lives(
    engine: TinyEngine, world: World
) -> None:
    await until(lambda: world.link.connected)
    assert await world.link.call("echo", {"a": 1}) == {"a": 1}
    engine.silent = True
    with pytest.raises(TimeoutError):
        await world.link.call("echo", 1, timeout=0.2)
    async with Supervisor() as tasks:
        tasks.start("cut", engine.server.disconnect(engine.sid))
        with pytest.raises(NotConnected):
            await world.link.call("echo", 1, timeout=30)


async def test_survives_an_engine_that_goes_and_comes_back(engine: TinyEngine, world: World) -> None:
    await until(lambda: world.link.connected)
    await engine.stop()
    await until(lambda: not world.link.connected)
    with pytest.raises(NotConnected):
        await world.link.emit("echo", 1)
    await engine.start()
    await until(lambda: world.link.connected, seconds=30)
    assert world.changes == [True, False, True]
    assert world.inbox.began == 2


async def test_a_refused_token_is_renewed_and_the_reason_is_logged(
    engine: TinyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.refuse = "token_expired"
    world = World(engine)
    async with Supervisor() as tasks:
        tasks.start("link", world.link.run())
        await until(lambda: len(engine.tokens) >= 1)
        engine.refuse = ""
        await until(lambda: world.link.connected, seconds=20)
    assert world.http.renewed == 1
    assert engine.tokens[-1] == "Bearer token-2"
    assert "the access token has expired" in caplog.text


async def test_an_unreachable_engine_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tiny = TinyEngine()
    await tiny.start()
    await tiny.stop()
    world = World(tiny)
    async with Supervisor() as tasks:
        tasks.start("link", world.link.run())
        await until(lambda: "no socket to the Engine" in caplog.text)
        await tiny.start()
        await until(lambda: world.link.connected, seconds=20)
    await tiny.stop()
