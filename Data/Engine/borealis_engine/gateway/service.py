"""The gateway in one object, for ``app``: lets sockets in, keeps them, cuts them; and is dispatch's ``DeviceLink``."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError, RateLimited, Unavailable
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.settings import EngineSettings
from borealis_engine.gateway.admission import Admission, DeviceIdentity, OperatorIdentity
from borealis_engine.gateway.connection import (
    DEVICE_LIMITS,
    OPERATOR_LIMITS,
    SERVICE_RESTART,
    Connection,
    Message,
    Receive,
    Send,
)
from borealis_engine.gateway.device_door import DeviceDoor
from borealis_engine.gateway.event_path import EventPath
from borealis_engine.gateway.frames import ACK, encode_event, encode_packet, read_attached
from borealis_engine.gateway.handshake import SOCKET_PATHS, called_host, read_knock
from borealis_engine.gateway.operator_door import OperatorDoor
from borealis_engine.gateway.operator_socket import OperatorSocket
from borealis_engine.gateway.operators_hall import OperatorsHall
from borealis_engine.gateway.ports import (
    Devices,
    Dispatch,
    KeyStatements,
    Operators,
    Runs,
    Screens,
    Shells,
    Tokens,
    Tunnels,
    Updates,
)
from borealis_engine.gateway.refusing import Refusals, answer_http
from borealis_engine.gateway.screen_door import DeviceScreens, OperatorScreens
from borealis_engine.gateway.sessions import DeviceSession, DeviceSessions, choose_user
from borealis_engine.gateway.shell_door import OperatorShells
from borealis_engine.gateway.socket_server import SocketServer
from borealis_engine.gateway.stream_door import StreamDoor
from borealis_engine.lines import Streams
from borealis_wire.events import EngineEvent, RunContext

SWEEP_SECONDS: Final = 5.0
SWEEP_STEP: Final = 500
"""Sockets looked at before others get their turn."""
MAX_WAITING_TEXTS: Final = 256
"""A device with so many texts queued does not read; it gets no further job."""

log = get_logger("agents")


class Gateway:
    """Every live socket of this Engine."""

    def __init__(
        self,
        *,
        settings: EngineSettings,
        clock: Clock,
        metrics: Metrics,
        feed: ChangeFeed,
        devices: Devices,
        access_tokens: Tokens,
        operators: Operators,
        dispatcher: Dispatch,
        runs: Runs,
        signing: KeyStatements,
        screens: Screens,
        updates: Updates,
        tunnels: Tunnels,
        shells: Shells,
        streams: Mapping[str, Streams],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._devices = devices
        self._admission = Admission(
            clock=clock, tokens=access_tokens, devices=devices, operators=operators, public_url=lambda: settings.url
        )
        self._sessions = DeviceSessions()
        self._server = SocketServer(on_connected=self._connected, on_event=self._event, on_ack=self._acknowledged)
        self._screens = screens
        self._tunnels = tunnels
        self._operator_screens = OperatorScreens(screens=screens, server=self._server, clock=clock)
        self._operator_shells = OperatorShells(shells=shells, server=self._server, clock=clock)
        self._streams = StreamDoor(streams)
        self._device_door = DeviceDoor(
            dispatch=dispatcher,
            keys=signing,
            server=self._server,
            screens=DeviceScreens(screens),
            updates=updates,
            tunnels=tunnels,
        )
        self._hall = OperatorsHall(
            clock=clock,
            feed=feed,
            admission=self._admission,
            server=self._server,
            other_rights=self._operator_shells.other_rights,
        )
        self._events = EventPath(
            clock=clock,
            devices=self._device_door,
            operators=OperatorDoor(runs=runs, screens=self._operator_screens, shells=self._operator_shells),
        )
        self._refusals = Refusals()
        self._owners: dict[Connection, DeviceSession | OperatorSocket] = {}
        self._tasks: Supervisor | None = None
        devices.on_access_changed(self._access_changed)
        operators.on_rights_changed(self._hall.rights_changed)
        signing.on_rotated(self._keys_rotated)

    # --- the door

    def asgi(self, rest_app: Any) -> Any:
        """Wrap the REST application: sockets come here, everything else goes there."""

        async def door(scope: Any, receive: Receive, send: Send) -> None:
            if scope["type"] == "websocket":
                await self._knock(scope, receive, send)
            elif scope["type"] == "http" and scope["path"] in SOCKET_PATHS:
                await answer_http(send, 400, "websocket_only", "Connect with the transport websocket.")
            else:
                await rest_app(scope, receive, send)

        return door

    async def _knock(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        is_stream = scope["path"] in self._streams
        if scope["path"] not in SOCKET_PATHS and not is_stream:
            await self._refusals.reject(scope, send, 404, "not_found", "There is nothing at this address.")
            return
        try:
            if self._tasks is None:
                raise Unavailable("starting", "The Engine is starting or ending. Try again shortly.")
            generation = self._hall.generation
            identity = await self._admission.admit(
                read_knock(scope, self._settings.trusted_proxies, self._settings.session_cookie)
            )
            if is_stream:
                await self._serve_stream(scope, identity, receive, send)
                return
        except RateLimited as error:
            await self._refusals.reject(scope, send, error.status, error.code, error.detail)
        except EngineError as error:
            log.info("refused a socket", reason=error.code)
            if is_stream:
                await self._refusals.reject(scope, send, error.status, error.code, error.detail)
            else:
                await self._refusals.refuse(scope, receive, send, error)
        else:
            await self._serve(scope, identity, generation, receive, send)

    async def _serve_stream(
        self, scope: Any, identity: DeviceIdentity | OperatorIdentity, receive: Receive, send: Send
    ) -> None:
        kind = self._metrics.sockets.labels("stream")
        kind.inc()
        try:
            await self._streams.serve(scope, identity, receive, send)
        finally:
            kind.dec()

    async def _serve(
        self, scope: Any, identity: DeviceIdentity | OperatorIdentity, generation: int, receive: Receive, send: Send
    ) -> None:
        opening: list[Message] = [{"type": "websocket.connect"}]

        async def receive_from_start() -> Message:
            return opening.pop() if opening else await receive()

        is_device = isinstance(identity, DeviceIdentity)
        connection = Connection(receive_from_start, send, self._clock, DEVICE_LIMITS if is_device else OPERATOR_LIMITS)
        kind = self._metrics.sockets.labels("device" if is_device else "operator")
        kind.inc()
        try:
            if isinstance(identity, DeviceIdentity):
                await self._serve_device(scope, DeviceSession(identity, connection))
            else:
                socket = OperatorSocket(identity, connection, generation, host=called_host(scope))
                await self._serve_operator(scope, socket)
        finally:
            kind.dec()
            self._owners.pop(connection, None)
            await connection.close()

    async def _serve_device(self, scope: Any, session: DeviceSession) -> None:
        if self._sessions.is_full(session):
            log.warning("a device has too many sessions", guid=session.identity.guid, user=session.identity.user)
            return
        self._owners[session.connection] = session
        session.connection.on_attached = lambda head, data: self._attached(session, head, data)
        older = self._sessions.open(session)
        if older is not None:
            guid, context, user = session.key
            log.info("a newer session took over", guid=guid, context=context.value, user=user)
            older.gone()
            self._screens.session_closed(*session.key)
            self._cut(older.connection)
        try:
            await self._server.serve(scope, session.connection)
        finally:
            if self._sessions.close(session):
                self._devices.session_closed(*session.key)
                self._screens.session_closed(*session.key)
                self._tunnels.session_closed(*session.key)

    async def _serve_operator(self, scope: Any, socket: OperatorSocket) -> None:
        self._owners[socket.connection] = socket
        try:
            await self._server.serve(scope, socket.connection)
        finally:
            self._hall.leave(socket)
            self._operator_screens.leave(socket)
            self._operator_shells.leave(socket)

    # --- dispatch.ports.DeviceLink

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Whether a socket of this device, context and user is up and has said what it has."""
        session = self._sessions.get(guid, context, user)
        return session is not None and session.registered and session.usable

    def user_for(self, guid: str) -> str | None:
        """Whose agent does what any signed-in user's may do; None where no user's agent is there."""
        here = [
            session.identity.user
            for session in self._sessions.of_device(guid)
            if session.identity.context is RunContext.INTERACTIVE and session.registered and session.usable
        ]
        return choose_user(here, self._devices.active_user(guid)) if here else None

    async def send_job(
        self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """Emit ``quick_job_run`` and give the acknowledgement; None where the socket is gone.

        The caller bounds the wait.
        """
        return await self._send(EngineEvent.QUICK_JOB_RUN, (guid, context, user), payload)

    async def send_cancel(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> None:
        """Emit ``quick_job_cancel``; lost where the socket is gone."""
        session = self._sessions.get(guid, context, user)
        if session is not None and session.usable:
            await self._device_door.tell_keys(session)
            await self._server.send(session.address, encode_event(EngineEvent.QUICK_JOB_CANCEL, payload))

    # --- screens.ports.ScreenLink

    async def send_sealed(
        self, event: str, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """Emit an event with an envelope and give the acknowledgement; None where the socket is gone.

        The caller bounds the wait.
        """
        return await self._send(event, (guid, context, user), payload)

    async def _send(
        self, event: str, key: tuple[str, RunContext, str], payload: dict[str, Any]
    ) -> dict[str, Any] | None:
        session = self._sessions.get(*key)
        if session is None or not session.usable or self._server.waiting(session.address) > MAX_WAITING_TEXTS:
            return None
        await self._device_door.tell_keys(session)
        if not session.usable:
            return None
        number, acknowledgement = session.expect_ack()
        try:
            await self._server.send(session.address, encode_event(event, payload, number))
            answer = await acknowledgement
        finally:
            session.forget_ack(number)
        return answer if isinstance(answer, dict) else None

    # --- the driver

    async def run_loop(self) -> None:
        """Let sockets in and keep them; a supervised task that runs as long as the Engine."""
        async with Supervisor() as tasks:
            self._tasks = self._device_door.tasks = self._operator_screens.tasks = self._operator_shells.tasks = tasks
            try:
                tasks.start("tell operators", self._hall.feed_loop(), vital=True)
                tasks.start("check operators again", self._hall.check_loop(), vital=True)
                while True:
                    await self._clock.sleep(SWEEP_SECONDS)
                    await self._sweep()
            finally:
                # Without its tasks a socket hears nothing; its owner shall come again to one that does.
                self._tasks = self._device_door.tasks = self._operator_screens.tasks = self._operator_shells.tasks = (
                    None
                )
                for connection in self._owners:
                    connection.closed = True
                await asyncio.shield(self._cut_all())

    async def close(self) -> None:
        """Cut every socket and end the library's own task; for the end of the Engine."""
        self._tasks = self._device_door.tasks = self._operator_screens.tasks = self._operator_shells.tasks = None
        await self._streams.close()
        await self._cut_all()
        await self._server.shutdown()

    async def _cut_all(self) -> None:
        await asyncio.gather(*(one.close(SERVICE_RESTART, "the Engine ends") for one in list(self._owners)))

    def statistics(self) -> dict[str, int]:
        """Sizes, for metrics."""
        return {
            "device_sessions": len(self._sessions),
            "replaced_sessions": self._sessions.replaced,
            "refused_sockets": self._admission.refused,
            **self._hall.statistics(),
            **self._events.statistics(),
            **self._streams.statistics(),
        }

    # --- what the library and the rooms below call

    def _connected(self, connection: Connection, address: str) -> None:
        owner = self._owners.get(connection)
        if isinstance(owner, DeviceSession):
            owner.address = address
            if self._sessions.get(*owner.key) is owner:
                guid, context, user = owner.key
                self._devices.session_opened(guid, context, owner.identity.peer, user)
        elif owner is not None and self._tasks is not None:
            owner.address = address
            self._hall.enter(owner, self._tasks)

    async def _event(self, connection: Connection, name: str, payload: Any) -> Any:
        owner = self._owners.get(connection)
        return None if owner is None else await self._events.handle(owner, name, payload)

    def _attached(self, session: DeviceSession, head: str, data: bytes) -> None:
        """An event with bytes beside it, which the library never sees."""
        if self._tasks is not None and session.address:
            session.connection.begin_event()
            self._tasks.start("an event with bytes", self._take_attached(session, head, data))

    async def _take_attached(self, session: DeviceSession, head: str, data: bytes) -> None:
        try:
            number, name, payload = read_attached(head)
            answer = await self._events.handle(session, name, payload, data)
            if number is not None and session.usable:
                await self._server.send(session.address, encode_packet(ACK, number, [answer]))
        finally:
            session.connection.end_event()

    def _acknowledged(self, connection: Connection, number: int, data: Any) -> None:
        owner = self._owners.get(connection)
        if isinstance(owner, DeviceSession):
            owner.acknowledged(number, data)
        elif owner is not None:
            owner.acknowledged(number)

    def _access_changed(self, guid: str) -> None:
        for session in self._sessions.of_device(guid):
            if not self._admission.still_stands(session.identity):
                log.info("cut a session whose device may not connect any more", guid=guid)
                last = self._farewell(session)
                if self._sessions.close(session):
                    self._devices.session_closed(*session.key)
                    self._screens.session_closed(*session.key)
                    self._tunnels.session_closed(*session.key)
                self._cut(session.connection, last)

    def _farewell(self, session: DeviceSession) -> str:
        """What its device hears before it hears nothing any more, as a frame."""
        if (
            session.identity.context is not RunContext.SYSTEM
            or (order := self._tunnels.farewell(session.key[0])) is None
        ):
            return ""
        return self._server.frame(encode_event(EngineEvent.VPN_TUNNEL_STOP, order))

    def _keys_rotated(self, _statement: dict[str, Any]) -> None:
        if self._tasks is not None:
            self._tasks.start("tell the new key", self._tell_everybody())

    async def _tell_everybody(self) -> None:
        for session in self._sessions:
            if session.registered and session.usable:
                await self._device_door.tell_keys(session)

    async def _sweep(self) -> None:
        """What no event tells: sockets that do not read, and devices whose change nobody announced."""
        now = self._clock.monotonic()
        for count, (connection, owner) in enumerate(list(self._owners.items()), 1):
            if connection.is_stuck(now):
                log.info("cut a socket that does not read")
                self._cut(connection)
            elif isinstance(owner, DeviceSession):
                self._access_changed(owner.identity.guid)
            if count % SWEEP_STEP == 0:
                await asyncio.sleep(0)

    def _cut(self, connection: Connection, last: str = "") -> None:
        connection.closed = True
        if self._tasks is not None:
            self._tasks.start("cut a socket", connection.close(last=last))
