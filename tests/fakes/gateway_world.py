"""A real gateway behind a real web server on loopback, with in-memory rooms below it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import socketio
import uvicorn
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.fake_streams import STREAM_PATH, FakeStreams

from borealis_base.clock import Clock, SystemClock
from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Conflict, EngineError, NotFound, Unauthenticated
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.paths import EnginePaths
from borealis_engine.core.settings import EngineSettings
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.gateway import Gateway
from borealis_engine.operators.models import SignedIn
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.screens import FrameHead, Viewer, WatchAsked, WindowList
from borealis_engine.screens.watches import Watch
from borealis_engine.shells import Seat, ShellAsked
from borealis_wire.events import RunContext
from borealis_wire.messages import JobOutput, JobResult
from borealis_wire.updates import UpdateTold

GUID = "0F0F0F0F-1111-4222-8333-444444444444"
OTHER = "0F0F0F0F-5555-4222-8333-444444444444"


@dataclass
class FakeDevice:
    """What the door knows of a device."""

    guid: str = GUID
    fingerprint: str = "ab" * 32
    token_version: int = 1
    status: str = "active"


class FakeDevices:
    """Implements ``gateway.ports.Devices``."""

    def __init__(self) -> None:
        self.states = {guid: FakeDevice(guid) for guid in (GUID, OTHER)}
        self.presence: list[tuple[str, str, str]] = []
        self.active = ""
        self.listeners: list[Callable[[str], None]] = []

    def auth_state(self, guid: str) -> FakeDevice | None:
        return self.states.get(guid)

    def session_opened(self, guid: str, context: RunContext, address: str, user: str = "") -> None:
        self.presence.append(("opened", guid, context.value + user))

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        self.presence.append(("closed", guid, context.value + user))

    def active_user(self, guid: str) -> str:
        return self.active

    def on_access_changed(self, listener: Callable[[str], None]) -> None:
        self.listeners.append(listener)

    def change(self, guid: str, **values: Any) -> None:
        """Change a record and tell."""
        for name, value in values.items():
            setattr(self.states[guid], name, value)
        for listener in self.listeners:
            listener(guid)


class FakeOperators:
    """Implements ``gateway.ports.Operators``: tokens to principals; ``error`` stands for a database that is gone."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        self.listeners: list[Callable[[], None]] = []
        self.error: EngineError | None = None

    async def authenticate_session(self, token: str) -> SignedIn:
        return SignedIn(self._find(token), "csrf", 2e9)

    async def authenticate_bearer(self, token: str, *, peer: str, direct: bool) -> Principal:
        if token.startswith("bor_owner_") and not direct:
            raise Unauthenticated("unauthorized", "not direct")
        return self._find(token)

    def on_rights_changed(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def change(self, token: str, principal: Principal | None) -> None:
        """Give or take rights, and tell."""
        if principal is None:
            self.principals.pop(token, None)
        else:
            self.principals[token] = principal
        for listener in self.listeners:
            listener()

    def _find(self, token: str) -> Principal:
        if self.error is not None:
            raise self.error
        try:
            return self.principals[token]
        except KeyError:
            raise Unauthenticated("unauthorized", "unknown") from None


class FakeDispatch:
    """Implements ``gateway.ports.Dispatch``."""

    def __init__(self) -> None:
        self.ready: list[tuple[str, str, set[str]]] = []
        self.results: list[JobResult] = []
        self.told_by: list[str] = []
        self.output: list[JobOutput] = []
        self.error: EngineError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def device_ready(self, guid: str, context: RunContext, running: set[str], *, user: str = "") -> None:
        self.ready.append((guid, context.value, running))

    async def device_result(
        self, guid: str, context: RunContext, result: JobResult, *, user: str = ""
    ) -> dict[str, str]:
        self.told_by.append(user)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.results.append(result)
        return {"status": "ok"}

    async def device_output(self, guid: str, context: RunContext, output: JobOutput, *, user: str = "") -> None:
        self.output.append(output)


class FakeRuns:
    """Implements ``gateway.ports.Runs``: run ids and their sites."""

    def __init__(self) -> None:
        self.sites: dict[str, int | None] = {"run-1": 1, "run-2": 2}

    async def run(self, sites: frozenset[int] | None, *, run_id: str = "") -> dict[str, Any]:
        site = self.sites.get(run_id)
        if run_id not in self.sites or (sites is not None and site not in sites):
            raise NotFound("run_not_found", "no such run")
        return {"run_id": run_id}


class FakeKeys:
    """Implements ``gateway.ports.KeyStatements``."""

    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []
        self.listeners: list[Callable[[dict[str, Any]], None]] = []

    def statement_for_devices(self) -> list[dict[str, Any]]:
        return list(self.statements)

    def on_rotated(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self.listeners.append(listener)

    def rotate(self, statement: dict[str, Any]) -> None:
        """A new statement, told."""
        self.statements.append(statement)
        for listener in self.listeners:
            listener(statement)


class FakeUpdates:
    """Takes what devices tell of their updates."""

    async def told(self, guid: str, message: UpdateTold) -> dict[str, str]:
        """As ``updates.UpdateService`` for an update that it does not know."""
        return {"status": "ok", "ignored": "unknown_update"}


@dataclass
class FakeTunnels:
    """Implements ``gateway.ports.Tunnels``: notes what it is told."""

    ready: list[tuple[str, RunContext, str]] = field(default_factory=list)
    closed: list[tuple[str, RunContext]] = field(default_factory=list)
    last_words: dict[str, dict[str, Any]] = field(default_factory=dict)

    def device_ready(self, guid: str, context: RunContext, public_key: str) -> None:
        """Noted."""
        self.ready.append((guid, context, public_key))

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """Noted."""
        self.closed.append((guid, context))

    def farewell(self, guid: str) -> dict[str, Any] | None:
        """What a test put there."""
        return self.last_words.get(guid)


class FakeScreens:
    """Implements ``gateway.ports.Screens``: keeps what devices bring, and lets a test play the live view."""

    def __init__(self) -> None:
        self.pictures: list[tuple[str, str, bytes]] = []
        self.windows: list[tuple[str, WindowList]] = []
        self.frames: list[tuple[str, FrameHead, bytes]] = []
        self.over: list[tuple[str, str, str]] = []
        self.closed: list[tuple[str, str]] = []
        self.viewers: list[Viewer] = []
        self.left: list[Viewer] = []

    async def watch(self, principal: Principal, guid: str, asked: WatchAsked, *, address: str) -> Viewer:
        watch = Watch("order", guid, None, asked, 1e9, asyncio.get_running_loop().create_future())
        viewer = Viewer(watch, principal, 0.0, address)
        watch.viewers.add(viewer)
        self.viewers.append(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        if viewer not in self.left:
            self.left.append(viewer)
            viewer.end("")

    def picture_arrived(self, guid: str, order_id: str, data: bytes, *, user: str = "") -> dict[str, str]:
        self.pictures.append((guid, order_id, data))
        return {"status": "ok"}

    def windows_arrived(self, guid: str, found: WindowList, *, user: str = "") -> dict[str, str]:
        self.windows.append((guid, found))
        return {"status": "ok"}

    async def frame_arrived(self, guid: str, head: FrameHead, data: bytes, *, user: str = "") -> dict[str, str]:
        self.frames.append((guid, head, data))
        return {"status": "ok"}

    def ended(self, guid: str, order_id: str, reason: str, *, user: str = "") -> None:
        self.over.append((guid, order_id, reason))

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        self.closed.append((guid, context.value))


class TestServer(uvicorn.Server):
    """Without signal handlers, so that it can run inside a test."""

    __test__ = False

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class FakeShells:
    """Implements ``gateway.ports.Shells``: no device has a tunnel; keeps who asked, and who left."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, ShellAsked]] = []
        self.left: list[tuple[Seat, bool]] = []
        self.expelled: list[Seat] = []

    async def open(self, principal: Principal, name: str, asked: ShellAsked, *, host: str, address: str) -> Seat:
        self.asked.append((principal.username, name, asked))
        raise Conflict("tunnel_down", "no tunnel")

    def leave(self, seat: Seat, *, for_good: bool = False) -> None:
        self.left.append((seat, for_good))

    def expel(self, seat: Seat) -> None:
        self.expelled.append(seat)


@dataclass
class World:
    """Everything around one gateway."""

    gateway: Gateway
    tokens: AccessTokens
    clock: Clock
    feed: ChangeFeed
    metrics: Metrics
    devices: FakeDevices
    operators: FakeOperators
    dispatch: FakeDispatch
    runs: FakeRuns
    keys: FakeKeys
    screens: FakeScreens
    tunnels: FakeTunnels
    shells: FakeShells
    streams: FakeStreams
    port: int = 0
    clients: list[socketio.AsyncClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(
        self,
        guid: str = GUID,
        context: RunContext = RunContext.SYSTEM,
        *,
        age: float = 0,
        user: str = "",
        **other: Any,
    ) -> str:
        """An access token; ``other`` overrides what the record says."""
        known = self.devices.states.get(guid) or FakeDevice(guid)
        subject = FakeDevice(guid, known.fingerprint, known.token_version)
        for name, value in other.items():
            setattr(subject, name, value)
        return self.tokens.issue(subject, context, self.clock.now() - age, user=user)

    def client(self) -> socketio.AsyncClient:
        """A Socket.IO client that stays where it is put."""
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.clients.append(client)
        return client

    async def connect(self, client: socketio.AsyncClient, headers: dict[str, str]) -> None:
        """Connect; raises where it is refused."""
        await client.connect(self.url, headers=headers, transports=["websocket"], wait_timeout=5)

    async def device(
        self,
        guid: str = GUID,
        context: RunContext = RunContext.SYSTEM,
        *,
        register: bool = True,
        user: str = "",
        **hello: Any,
    ) -> socketio.AsyncClient:
        """A connected device."""
        client = self.client()
        await self.connect(client, {"Authorization": f"Bearer {self.token(guid, context, user=user)}"})
        if register:
            label = "SYSTEM" if context == RunContext.SYSTEM else "CURRENTUSER"
            body = {"agent_id": f"PC_{guid}_{label}", "protocol_version": 1, **hello}
            assert (await client.call("connect_agent", body, timeout=5))["status"] == "ok"
            await until(lambda: self.gateway.has_session(guid, context, user))
        return client

    def sign_in(self, token: str = "s1", role: OperatorRole = OperatorRole.ADMIN, **other: Any) -> Principal:
        """An operator with this credential."""
        principal = Principal(1, "olga", role, **other)
        self.operators.principals[token] = principal
        return principal

    def cookie(self, token: str = "s1", **other: str) -> dict[str, str]:
        """Headers of a browser on our own page."""
        return {"Cookie": f"borealis_session_443={token}", "Origin": f"https://127.0.0.1:{self.port}", **other}

    async def operator(self, token: str = "s1") -> socketio.AsyncClient:
        """A connected operator with a session cookie."""
        client = self.client()
        await self.connect(client, self.cookie(token))
        return client


async def until(probe: Callable[[], Any], *, seconds: float = 5.0) -> Any:
    """Wait until ``probe`` gives something true."""
    async with asyncio.timeout(seconds):
        while not (value := probe()):
            await asyncio.sleep(0.005)
        return value


def transport_of(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    """The transport below a client's WebSocket, to play somebody who does not read."""
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    return connection.transport


async def refused_with(world: World, headers: dict[str, str]) -> str:
    """Try to connect; the code of the refusal."""
    client = world.client()
    told: list[Any] = []
    client.on("connect_error", told.append)
    try:
        await world.connect(client, headers)
    except socketio.exceptions.ConnectionError:
        return str(told[0]["data"]["error"]) if isinstance(told[0], dict) else str(told[0])
    raise AssertionError("was let in")


@contextlib.asynccontextmanager
async def open_world(folder: Path, clock: Clock | None = None) -> AsyncIterator[World]:
    """A gateway that serves, and everything ended afterwards."""
    clock = clock or SystemClock()
    settings = EngineSettings(EnginePaths(folder), "sqlite://", public_url="https://engine.example")
    tokens = AccessTokens(folder=folder, randomness=FakeRandomness())
    tokens.load()
    feed, metrics = ChangeFeed(), Metrics()
    devices, operators, dispatch, runs, keys = FakeDevices(), FakeOperators(), FakeDispatch(), FakeRuns(), FakeKeys()
    screens, tunnels, shells, streams = FakeScreens(), FakeTunnels(), FakeShells(), FakeStreams()
    gateway = Gateway(
        settings=settings,
        clock=clock,
        metrics=metrics,
        feed=feed,
        devices=devices,
        access_tokens=tokens,
        operators=operators,
        dispatcher=dispatch,
        runs=runs,
        signing=keys,
        screens=screens,
        updates=FakeUpdates(),
        tunnels=tunnels,
        shells=shells,
        streams={STREAM_PATH: streams},
    )
    world = World(
        gateway,
        tokens,
        clock,
        feed,
        metrics,
        devices,
        operators,
        dispatch,
        runs,
        keys,
        screens,
        tunnels,
        shells,
        streams,
    )
    config = uvicorn.Config(
        gateway.asgi(_no_rest),
        host="127.0.0.1",
        port=0,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = TestServer(config)
    async with Supervisor() as tasks:
        tasks.start("gateway", gateway.run_loop())
        serving = tasks.start("server", server.serve())
        await until(lambda: server.started)
        world.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield world
        finally:
            for client in world.clients:
                await client.disconnect()
                if client.eio.http is not None and not client.eio.http.closed:
                    await client.eio.http.close()
            await gateway.close()
            server.should_exit = True
            await serving


async def _no_rest(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
