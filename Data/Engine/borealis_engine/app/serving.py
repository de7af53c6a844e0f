"""The web server: uvicorn with our limits, our sockets, and signals left to us."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from borealis_engine.enrolment import EngineCertificates
from borealis_wire.limits import KIB, MAX_MESSAGE_BYTES

HEAD_SECONDS: Final = 20.0
"""From the connection, or the first byte of a further request, to the end of its headers."""
MAX_HEAD_BYTES: Final = 64 * KIB
CHUNK_OVERHEAD: Final = 16
"""Bytes of framing that a byte of body may cost at most."""
BACKLOG: Final = 4096
KEEP_ALIVE_SECONDS: Final = 30
GRACE_SECONDS: Final = 5


class BoundedHttp(HttpToolsProtocol):
    """HTTP whose headers end: in time, and within ``MAX_HEAD_BYTES``. Trailers are counted like headers."""

    _received = 0
    _body = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer connected."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._received += len(data)
        super().data_received(data)
        if self._received - CHUNK_OVERHEAD * self._body > MAX_HEAD_BYTES + len(data):
            self.transport.abort()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._received = self._body = 0
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """All headers are here."""
        self._head_is_here()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += len(body)
        super().on_body(body)

    def _wait_for_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_here(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.abort()


class EngineServer(uvicorn.Server):
    """Tells when it listens, and leaves signals to the program: uvicorn would end it by the signal it got."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signals."""
        yield


def make_server(asgi: Any, certificates: EngineCertificates, on_started: Callable[[], None]) -> EngineServer:
    """A server for ``asgi`` over TLS; it listens where ``listening.bind`` did."""
    config = uvicorn.Config(
        asgi,
        http=BoundedHttp,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # costs 100 kB a socket; what is large here is compressed badly or secret
        ws_ping_interval=None,  # Engine.IO has its own
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who a proxy speaks for is decided by core.callers, with the proxies that are trusted
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=lambda _config, _default: certificates.ssl_context(),
    )
    return EngineServer(config, on_started)
