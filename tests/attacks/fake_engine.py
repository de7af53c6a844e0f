"""Whoever poses as the Engine: a TLS server with any certificate, REST and Socket.IO, that says what a test wants.

With a certificate of its own it is a man in the middle; with the Engine's stolen CA it is what an agent has to
believe on the network, and must not obey.
"""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import socketio
from aiohttp import web
from tests.attacks.background import Background
from tests.programs.programs import wait_for

from borealis_wire.events import Rest

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@dataclass
class FakeEngine:
    """``calls`` are REST requests, ``results`` what devices reported, ``hellos`` their ``connect_agent``.

    ``handshakes`` counts finished TLS handshakes, ``spoken`` the bytes that came in inside of TLS.
    """

    background: Background
    context: ssl.SSLContext
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hellos: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    lets_in: bool = True
    session: str = ""
    changed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.background.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.background.run(self._runner.cleanup())

    def wait_session(self, *, seconds: float = 40.0, log: Path | None = None) -> None:
        """Wait until an agent has connected and said hello."""
        wait_for("the agent at the false Engine", lambda: self.session or None, seconds=seconds, log=log)

    def call(self, event: str, payload: Any, *, seconds: float = 10.0) -> Any:
        """Send an event to the agent; gives its acknowledgement."""
        work = self._socket.call(event, payload, to=self.session, timeout=seconds)
        return self.background.run(work, seconds=seconds + 5)

    def emit(self, event: str, payload: Any) -> None:
        """Send an event to the agent."""
        self.background.run(self._socket.emit(event, payload, to=self.session))

    def result_of(self, run_id: str, *, seconds: float = 15.0) -> dict[str, Any]:
        """What the agent reports about a run."""

        def found() -> dict[str, Any] | None:
            return next((result for result in list(self.results) if result.get("run_id") == run_id), None)

        return wait_for(f"the result of {run_id}", found, seconds=seconds)

    def paths(self) -> list[str]:
        """What was asked for by REST."""
        return [path for path, _ in self.calls]

    async def _start(self) -> None:
        self._socket = socketio.AsyncServer(
            async_mode="aiohttp", transports=["websocket"], max_http_buffer_size=64 * 1024 * 1024
        )
        self._socket.on("connect", self._connected)
        self._socket.on("disconnect", self._disconnected)
        self._socket.on("*", self._event)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self._socket.attach(app)
        app.router.add_route("*", "/{tail:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _connected(self, sid: str, _environ: Any, _auth: Any = None) -> None:
        if not self.lets_in:
            raise socketio.exceptions.ConnectionRefusedError("unavailable")

    async def _disconnected(self, sid: str, *_: Any) -> None:
        if self.session == sid:
            self.session = ""

    async def _event(self, event: str, sid: str, payload: Any = None) -> Any:
        if event == "connect_agent":
            self.hellos.append(payload)
            self.session = sid
        elif event == "quick_job_result":
            self.results.append(payload)
        elif event == "quick_job_output":
            self.outputs.append(payload)
        return {"status": "ok"}

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        self.calls.append((request.path, body))
        answer = self.answers.get(request.path) or _ANSWERS.get(request.path)
        status, value = answer(body) if answer else (404, {"error": "not_found", "detail": ""})
        return web.json_response(value, status=status)


_ANSWERS: dict[str, Answer] = {
    Rest.HEARTBEAT: lambda _: (200, {"status": "ok", "poll_after_ms": 15000}),
    Rest.DETAILS: lambda _: (200, {"status": "ok"}),
    Rest.SCRIPT_REQUEST: lambda _: (200, {"status": "idle", "poll_after_ms": 30000}),
    Rest.SCRIPT_RESULT: lambda _: (200, {"status": "ok"}),
}


def stolen_context(engine_root: Path) -> ssl.SSLContext:
    """What whoever copied the Engine's TLS files shows: the very same certificate."""
    folder = engine_root / "Engine" / "Certificates"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = folder / "borealis-server-cert.pem"
    context.load_cert_chain(chain, folder / "borealis-server-key.pem")
    return context
