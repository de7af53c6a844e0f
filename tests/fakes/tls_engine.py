"""A small Engine over real TLS on loopback: enrolment, rotating refresh tokens, and whatever a test adds."""

import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.fakes.agent_world import GUID

from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment import certificate_making as making
from borealis_engine.enrolment.dpop import verify_dpop
from borealis_wire import base64s
from borealis_wire.enrolment_token import EnrolmentToken
from borealis_wire.events import HEADER_CONTEXT, HEADER_DPOP, Rest
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.proof import proof_message, proof_v2_message

CODE = "0123-4567-89AB-CDEF-0123-4567-89AB-CDEF"
Handler = Callable[[dict[str, Any], web.Request], "tuple[int, dict[str, Any]] | web.Response"]


class Authority:
    """A CA of its own, and leaves under it."""

    def __init__(self, folder: Path, name: str = "ca", *, age_days: float = 0) -> None:
        self.folder = folder
        self.name = name
        self.key = making.new_key()
        self.certificate = making.make_authority(self.key, time.time() - age_days * 86400)
        self.leaves = 0

    @property
    def pin(self) -> str:
        """What a token names."""
        return making.pin_of(self.certificate)

    @property
    def pem(self) -> str:
        """The CA in PEM."""
        return making.certificates_pem([self.certificate]).decode()

    def old_pem(self) -> str:
        """A certificate of the same key that has run out."""
        return making.certificates_pem([making.make_authority(self.key, time.time() - 21 * 365 * 86400)]).decode()

    def context(self, *names: str, age_days: float = 0) -> ssl.SSLContext:
        """A server context with a new leaf, or an old one."""
        self.leaves += 1
        key = making.new_key()
        leaf = making.make_leaf(
            key,
            ca_key=self.key,
            ca=self.certificate,
            names=names or ("127.0.0.1", "localhost"),
            now=time.time() - age_days * 86400,
        )
        chain, private = self.folder / f"{self.name}{self.leaves}.pem", self.folder / f"{self.name}{self.leaves}.key"
        chain.write_bytes(making.certificates_pem([leaf, self.certificate]))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.leaf_der = leaf.public_bytes(Encoding.DER)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, private)
        return context


@dataclass
class Call:
    """One request that came in."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class TlsEngine:
    """Answers like the Engine. ``decision`` is what its operator decides; ``stolen`` counts alarms of token theft."""

    authority: Authority
    signing: SigningKey = field(default_factory=lambda: SigningKey.from_seed(b"s" * 32))
    decision: str = "approved"
    calls: list[Call] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    fallback: Handler | None = None
    leaf_der: bytes = b""
    device_key: VerifyKey | None = None
    challenge: tuple[bytes, str] = (b"", "")
    proofs: set[str] = field(default_factory=set)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    stolen: int = 0
    issued: int = 0
    port: int = 0
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.handlers.setdefault(Rest.ENROLL_REQUEST, self._request)
        self.handlers.setdefault(Rest.ENROLL_POLL, self._poll)
        self.handlers.setdefault(Rest.TOKEN_REFRESH, self._refresh)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """An enrolment token for it."""
        return str(EnrolmentToken(self.url, CODE, self.authority.pin))

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [call.path for call in self.calls]

    @asynccontextmanager
    async def run(self, *names: str) -> AsyncIterator["TlsEngine"]:
        """Listen on loopback, on the port it had before if it had one."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        context = self.authority.context(*names)
        self.leaf_der = self.authority.leaf_der
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True)
        await site.start()
        server = site._server
        assert server is not None
        self.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        try:
            yield self
        finally:
            await runner.cleanup()

    def give_tokens(self, device_key: VerifyKey) -> str:
        """A refresh token for a device that counts as enrolled."""
        self.device_key = device_key
        return self._child(None)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        self.calls.append(Call(request.path, body, dict(request.headers)))
        handler = self.handlers.get(request.path) or self.fallback
        answer = handler(body, request) if handler else (404, {"error": "not_found"})
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer[1], status=answer[0])

    def _request(self, body: dict[str, Any], request: web.Request) -> tuple[int, dict[str, Any]]:
        if body["enrollment_code"] != CODE:
            return 400, {"error": "invalid_enrollment_code", "detail": "no"}
        self.device_key = VerifyKey.from_spki_base64(body["agent_pubkey"])
        self.challenge = (bytes([len(self.calls) % 256]) * 32, body["client_nonce"])
        return 200, {
            "status": "pending",
            "approval_reference": "reference-1",
            "server_nonce": base64s.encode(self.challenge[0]),
            "poll_after_ms": 1000,
            "server_certificate": self.authority.pem,
            "signing_key": self.signing.public.spki_base64,
        }

    def _poll(self, body: dict[str, Any], request: web.Request) -> tuple[int, dict[str, Any]]:
        assert self.device_key is not None
        server_nonce, client_nonce = self.challenge
        if body["client_nonce"] != client_nonce or body["approval_reference"] != "reference-1":
            return 404, {"status": "unknown", "error": "unknown_reference"}
        parts = (server_nonce, "reference-1", base64s.decode(client_nonce))
        if not self.device_key.verifies(base64s.decode(body["proof_sig"]), proof_message(*parts)):
            return 400, {"error": "invalid_proof", "detail": "proof_sig"}
        bound = proof_v2_message(*parts, self.leaf_der)
        if not self.device_key.verifies(base64s.decode(body["proof_v2"]), bound):
            return 400, {"error": "invalid_proof", "detail": "proof_v2"}
        if self.decision != "approved":
            return 200, {"status": self.decision, "poll_after_ms": 1000}
        public = self.signing.public
        return 200, {
            "status": "approved",
            "guid": GUID,
            "access_token": self._access_token(request),
            "expires_in": 900,
            "refresh_token": self._child(None),
            "token_type": "Bearer",
            "server_certificate": self.authority.pem,
            "signing_key": public.spki_base64,
            "signing_keys": [{"key_id": public.key_id, "public_key": public.spki_base64}],
        }

    def _refresh(self, body: dict[str, Any], request: web.Request) -> tuple[int, dict[str, Any]]:
        assert self.device_key is not None
        try:
            proof = verify_dpop(
                request.headers[HEADER_DPOP],
                device_key=self.device_key,
                method="POST",
                urls=frozenset({self.url + Rest.TOKEN_REFRESH}),
                now=self.now(),
            )
        except Invalid as error:
            return 400, {"error": error.code, "detail": error.detail}
        if proof.proof_id in self.proofs:
            return 400, {"error": "dpop_replayed"}
        self.proofs.add(proof.proof_id)
        row = self.tokens.get(body["refresh_token"])
        if row is None:
            return 401, {"error": "invalid_refresh_token"}
        if row["superseded"]:
            self.stolen += 1
            return 401, {"error": "refresh_token_revoked"}
        if not row["used"] and row["parent"]:
            for other in self.tokens.values():
                if other is not row and row["parent"] in (other["name"], other["parent"]):
                    other["superseded"] = True
        row["used"] = True
        return 200, {
            "access_token": self._access_token(request),
            "expires_in": 900,
            "token_type": "Bearer",
            "refresh_token": self._child(body["refresh_token"]),
        }

    def _child(self, parent: str | None) -> str:
        self.issued += 1
        name = f"refresh-{self.issued}"
        self.tokens[name] = {"name": name, "parent": parent, "used": False, "superseded": False}
        return name

    def _access_token(self, request: web.Request) -> str:
        token = f"access-{request.headers[HEADER_CONTEXT]}-{len(self.access)}"
        self.access.add(token)
        return token
