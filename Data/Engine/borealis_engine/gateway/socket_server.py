"""The only place that knows python-socketio: one server, namespace ``/``, WebSocket only.

Hands events on as names with raw payloads, and sends texts that were encoded before. Called by
``gateway.service``.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import socketio
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE
from engineio.packet import Packet as Frame
from socketio.async_manager import AsyncManager
from socketio.packet import Packet

from borealis_engine.gateway.connection import Connection
from borealis_engine.gateway.frames import encode_packet, read_packet
from borealis_wire.limits import MAX_MESSAGE_BYTES

PING_SECONDS: Final = 25
PING_TIMEOUT_SECONDS: Final = 20
NAMESPACE: Final = "/"
_SCOPE_KEY: Final = "borealis.connection"

OnConnected = Callable[[Connection, str], None]
OnEvent = Callable[[Connection, str, Any], Awaitable[Any]]
OnAck = Callable[[Connection, int, Any], None]


class TextPacket(Packet):  # type: ignore[misc]
    """A packet without binary parts, read and written by ``frames``."""

    uses_binary_events = False

    def encode(self) -> str:
        """The text that travels."""
        return encode_packet(self.packet_type, self.id, self.data)

    def decode(self, encoded_packet: str) -> int:
        """Take a text apart; gives the number of binary parts, which is always none."""
        self.namespace = None
        self.packet_type, self.id, self.data = read_packet(encoded_packet)
        return 0


class _Acks(AsyncManager):  # type: ignore[misc]
    """Gives acknowledgements to whoever keeps the numbers, instead of keeping callbacks itself."""

    def __init__(self, on_ack: Callable[[str, int, Any], None]) -> None:
        super().__init__()
        self._on_ack = on_ack

    async def trigger_callback(self, sid: str, id: int, data: Any) -> None:
        """An acknowledgement came in."""
        self._on_ack(sid, id, data)


class SocketServer:
    """Serves connections that were admitted already.

    Args:
        on_connected: a client is in the namespace; its address for :meth:`send`.
        on_event: name and raw payload; what it gives is the acknowledgement.
        on_ack: number and first value of an acknowledgement.
    """

    def __init__(self, *, on_connected: OnConnected, on_event: OnEvent, on_ack: OnAck) -> None:
        self._on_connected = on_connected
        self._on_event = on_event
        self._on_ack = on_ack
        self._connections: dict[str, Connection] = {}
        self._server = socketio.AsyncServer(
            async_mode="asgi",
            client_manager=_Acks(self._ack),
            serializer=TextPacket,
            transports=["websocket"],
            namespaces=[NAMESPACE],
            cors_allowed_origins=[],  # origins are judged by ``admission``, before this
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_TIMEOUT_SECONDS,
            logger=logging.getLogger("socketio.server"),
            engineio_logger=logging.getLogger("engineio.server"),
        )
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)
        self._server.on("*", self._event)

    async def serve(self, scope: Mapping[str, Any], connection: Connection) -> None:
        """Speak with one client until it is gone."""
        handed_on = {
            "type": "websocket",
            "path": scope["path"],
            "query_string": scope.get("query_string", b""),
            # Credentials have done their work and are not kept.
            "headers": [(b"connection", b"upgrade"), (b"upgrade", b"websocket")],
            _SCOPE_KEY: connection,
        }
        await self._server.handle_request(handed_on, connection.receive, connection.send)

    async def send(self, address: str, text: str) -> None:
        """Queue a text for a client; lost where it is gone."""
        if address in self._server.eio.sockets:
            with contextlib.suppress(EngineIOError):  # it closed at this moment
                await self._server.eio.send_packet(address, Frame(MESSAGE, text))

    @staticmethod
    def frame(text: str) -> str:
        """A text as it is on the wire, for ``Connection.close``."""
        return str(Frame(MESSAGE, text).encode())

    async def send_attached(self, address: str, text: str, data: bytes) -> None:
        """Queue a text and the bytes that belong to it, with nothing between them; lost where the client is gone."""
        socket = self._server.eio.sockets.get(address)
        if socket is not None and not socket.closed:
            socket.queue.put_nowait(Frame(MESSAGE, text))
            socket.queue.put_nowait(Frame(MESSAGE, data))

    async def wait_sent(self, address: str) -> None:
        """Wait until what was queued for a client has been taken up for writing."""
        socket = self._server.eio.sockets.get(address)
        if socket is not None:
            await socket.queue.join()

    def waiting(self, address: str) -> int:
        """How many texts are queued for a client."""
        socket = self._server.eio.sockets.get(address)
        return 0 if socket is None else int(socket.queue.qsize())

    def events(self) -> set[str]:
        """What the library has handlers for, so that a test can compare."""
        return set(self._server.handlers[NAMESPACE])

    async def shutdown(self) -> None:
        """End the library's own task."""
        await self._server.shutdown()

    async def _connect(self, sid: str, environ: dict[str, Any], _auth: object) -> None:
        connection: Connection | None = environ.get("asgi.scope", {}).get(_SCOPE_KEY)
        environ.clear()
        if connection is None or connection.closed:
            raise socketio.exceptions.ConnectionRefusedError("unauthorized")
        self._connections[sid] = connection
        self._on_connected(connection, self._server.manager.eio_sid_from_sid(sid, NAMESPACE))

    async def _disconnect(self, sid: str, _reason: str) -> None:
        connection = self._connections.pop(sid, None)
        if connection is not None:
            await connection.close(1000)

    async def _event(self, event: str, sid: str, payload: Any, *_more: Any) -> Any:
        connection = self._connections.get(sid)
        if connection is None or connection.closed:
            return self._server.not_handled
        connection.begin_event()
        try:
            return await self._on_event(connection, event, payload)
        finally:
            connection.end_event()

    def _ack(self, sid: str, number: int, data: Any) -> None:
        connection = self._connections.get(sid)
        if connection is not None and not connection.closed:
            self._on_ack(connection, number, data[0] if isinstance(data, list) and data else None)
