"""The attacker: raw TLS, REST and Socket.IO with whatever credentials, from a loopback address of its own.

Limits count by address; with an address each, one attack does not spoil the next.
"""

import itertools
import re
import socket as sockets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import httpx
import socketio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.attacks.background import Background
from tests.fakes.enrolling_device import EnrollingDevice
from tests.programs.programs import EngineProgram

from borealis_wire.events import CONTEXT_HEADER_VALUES, HEADER_CONTEXT, HEADER_DPOP, Rest, RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.messages import EnrolPending, agent_id

_numbers = itertools.count(1)


def next_address() -> str:
    """A loopback address that nobody in this run has spoken from."""
    number = next(_numbers)
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Declined(Exception):
    """A socket that was not let in; the text is the Engine's code, empty where it gave none."""


@dataclass(frozen=True)
class RawAnswer:
    """What came back on a TLS connection until it was closed."""

    data: bytes

    @property
    def statuses(self) -> list[int]:
        """The status of each response on the connection."""
        return [int(found) for found in re.findall(rb"^HTTP/1\.[01] ([0-9]{3})", self.data, re.MULTILINE)]

    @property
    def status(self) -> int:
        """The first status; 0 where the connection was just closed."""
        return next(iter(self.statuses), 0)


class Stranger:
    """Somebody on the network, with nothing but an address."""

    def __init__(self, engine: EngineProgram, background: Background) -> None:
        self.engine = engine
        self.background = background
        self.address = next_address()

    def raw(self, request: bytes, *, seconds: float = 10.0) -> RawAnswer:
        """Send bytes over TLS and read until the Engine hangs up."""
        with (
            sockets.create_connection(("127.0.0.1", self.engine.port), seconds, (self.address, 0)) as plain,
            self.engine.tls().wrap_socket(plain, server_hostname="127.0.0.1") as line,
        ):
            line.sendall(request)
            parts: list[bytes] = []
            try:
                while part := line.recv(65536):
                    parts.append(part)
            except (TimeoutError, ConnectionError):
                pass
            return RawAnswer(b"".join(parts))

    def http(self, headers: Mapping[str, str] | None = None, **options: Any) -> httpx.Client:
        """A REST client from our address; close it."""
        transport = httpx.HTTPTransport(verify=self.engine.tls(), local_address=self.address, trust_env=False)
        return httpx.Client(
            base_url=self.engine.url, transport=transport, headers=dict(headers or {}), timeout=30, **options
        )

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """One POST."""
        with self.http(headers) as client:
            return client.post(path, json=body)

    def socket(self, headers: Mapping[str, str] | None = None, *, query: str = "") -> "Socket":
        """Connect by Socket.IO. Raises ``Declined``."""
        return Socket(self.engine, self.background, self.address, headers or {}, query=query)


class Socket:
    """One Socket.IO connection. ``heard`` are events with payloads; ``answers`` what an event is acknowledged with."""

    def __init__(
        self, engine: EngineProgram, background: Background, address: str, headers: Mapping[str, str], *, query: str
    ) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.closed = False
        self._background = background
        self._told: list[Any] = []
        self._web: aiohttp.ClientSession | None = None
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        background.run(self._connect(engine, address, headers, query))

    def call(self, event: str, data: Any = None, *, seconds: float = 5.0) -> Any:
        """Send an event and wait for its acknowledgement."""
        return self._background.run(self._client.call(event, data, timeout=seconds), seconds=seconds + 5)

    def emit(self, event: str, data: Any = None) -> None:
        """Send an event."""
        self._background.run(self._client.emit(event, data))

    def close(self) -> None:
        """Hang up."""
        self._background.run(self._hang_up())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _connect(self, engine: EngineProgram, address: str, headers: Mapping[str, str], query: str) -> None:
        connector = aiohttp.TCPConnector(ssl=engine.tls(), local_addr=(address, 0), force_close=True)
        self._web = aiohttp.ClientSession(connector=connector)
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._web)
        self._client.on("*", self._received)
        self._client.on("connect_error", self._told.append)
        self._client.on("disconnect", self._gone)
        try:
            await self._client.connect(
                f"{engine.url}{query}", headers=dict(headers), transports=["websocket"], wait_timeout=5
            )
        except socketio.exceptions.ConnectionError as error:
            await self._hang_up()
            told = self._told[0] if self._told else ""
            raise Declined(str(told["data"]["error"]) if isinstance(told, dict) else "") from error

    async def _received(self, event: str, payload: Any = None, *_more: Any) -> Any:
        self.heard.append((event, payload))
        answer = self.answers.get(event)
        return answer(payload) if callable(answer) else answer

    async def _gone(self, *_: Any) -> None:
        self.closed = True

    async def _hang_up(self) -> None:
        await self._client.disconnect()
        if self._web is not None:
            await self._web.close()


class RogueDevice(Stranger):
    """A device with a key of its own, let in by an operator, that then says whatever it likes."""

    def __init__(self, engine: EngineProgram, background: Background, *, hostname: str = "rogue") -> None:
        super().__init__(engine, background)
        self.hostname = hostname
        self.claims = EnrollingDevice(f"{hostname} {self.address} {time.time()}", hostname=hostname)
        self.guid = self.access_token = self.refresh_token = ""
        self.reference = ""

    @property
    def key(self) -> SigningKey:
        """Its key."""
        return self.claims.key

    def knock(self, code: str) -> httpx.Response:
        """Ask to be let in, with a code or a whole enrolment token."""
        bare = code.partition("#")[2].partition(".")[0] or code
        request = self.claims.request(bare)
        answer = self.post(
            Rest.ENROLL_REQUEST,
            {
                "hostname": self.hostname,
                "enrollment_code": request.enrollment_code,
                "agent_pubkey": request.agent_pubkey,
                "client_nonce": request.client_nonce,
            },
        )
        if answer.status_code == 200:
            body = answer.json()
            self.reference = body["approval_reference"]
            self.claims.pending = EnrolPending(**{name: body[name] for name in EnrolPending.__struct_fields__})
        return answer

    def poll(self, leaf_sha256: bytes | None = None, **options: Any) -> httpx.Response:
        """Ask how it stands, with a proof over ``leaf_sha256`` or the Engine's own leaf."""
        poll = self.claims.poll(leaf_sha256 or leaf_digest(self.engine), **options)
        return self.post(
            Rest.ENROLL_POLL,
            {name: getattr(poll, name) for name in ("approval_reference", "client_nonce", "proof_sig", "proof_v2")},
        )

    def enrol(self, owner: httpx.Client, *, site: int | None = None) -> Self:
        """The whole way, with an operator who agrees."""
        options = {} if site is None else {"site_id": site}
        made = owner.post("/api/admin/enrollment-codes", json=options)
        assert made.status_code == 201, made.text
        asked = self.knock(made.json()["token"])
        assert asked.status_code == 200, asked.text
        decided = owner.post(f"/api/admin/device-approvals/{self.reference}/approve", json={})
        assert decided.status_code == 200, decided.text
        self.take(self.poll())
        return self

    def take(self, answer: httpx.Response) -> None:
        """Keep the tokens of an answer."""
        body = answer.json()
        assert answer.status_code == 200 and "access_token" in body, answer.text
        self.access_token, self.refresh_token = body["access_token"], body["refresh_token"]
        self.guid = body.get("guid", self.guid)

    @property
    def bearer(self) -> dict[str, str]:
        """The header with its access token."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def proof(self, **changes: Any) -> str:
        """A fresh proof of possession; ``changes`` as ``EnrollingDevice.dpop`` takes them."""
        given = {"url": self.engine.url + Rest.TOKEN_REFRESH, "now": time.time(), "jti": f"{next(_numbers)}-{id(self)}"}
        return self.claims.dpop(**{**given, **changes})

    def refresh(
        self, token: str | None = None, *, proof: str | None = "", context: RunContext = RunContext.SYSTEM
    ) -> httpx.Response:
        """Present a refresh token: its own with a proof of its own, unless said otherwise. None: no proof."""
        headers = {HEADER_CONTEXT: CONTEXT_HEADER_VALUES[context]}
        if proof is not None:
            headers[HEADER_DPOP] = proof or self.proof()
        return self.post(Rest.TOKEN_REFRESH, {"guid": self.guid, "refresh_token": token or self.refresh_token}, headers)

    def online(self, context: RunContext = RunContext.SYSTEM, *, register: bool = True) -> Socket:
        """A live session."""
        live = self.socket({**self.bearer, HEADER_CONTEXT: CONTEXT_HEADER_VALUES[context]})
        if register:
            name = agent_id(self.hostname, self.guid, CONTEXT_HEADER_VALUES[context])
            assert live.call("connect_agent", {"agent_id": name, "protocol_version": 1})["status"] == "ok"
        return live


def leaf_digest(engine: EngineProgram) -> bytes:
    """SHA-256 of the leaf that the Engine shows."""
    import hashlib

    path = engine.root / "Engine" / "Certificates" / "borealis-server-cert.pem"
    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()


def stolen_signing_key(engine: EngineProgram) -> SigningKey:
    """The script-signing key itself: what none of the attackers here has, to make orders that are as they should be."""
    folder = Path(engine.root) / "Engine" / "Certificates" / "Code-Signing"
    return SigningKey.from_pkcs8_pem((folder / "borealis-script-ed25519.key").read_text())
