"""A small Engine for the command line: the REST shapes, answered from tables, over a mock transport or real TLS."""

import contextlib
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

GUID: Final = "0F8FAD5B-D9CB-469F-A165-70867728950E"
OTHER_GUID: Final = "7C9E6679-7425-40DE-944B-E07FC1F90AE7"
NOW: Final = 1_760_000_000.0
Answer = tuple[int, Any]
Route = Callable[["Asked"], Answer] | Answer


@dataclass(frozen=True)
class Asked:
    """One request as the Engine got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeRest:
    """Answers from ``routes``, keyed ``METHOD /path``; remembers what was asked."""

    routes: dict[str, Route] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def handle(self, asked: Asked) -> Answer:
        """The answer of the route; 404 where there is none."""
        self.asked.append(asked)
        route = self.routes.get(f"{asked.method} {asked.path}")
        if route is None:
            return refuse(404, "not_found", "There is nothing at this address.")
        return route(asked) if callable(route) else route

    def bodies(self, key: str) -> list[Any]:
        """What was sent to one route."""
        return [asked.body for asked in self.asked if f"{asked.method} {asked.path}" == key]

    def transport(self) -> httpx.MockTransport:
        """For clients in this process."""

        def answer(request: httpx.Request) -> httpx.Response:
            query = {name: values[-1] for name, values in parse_qs(request.url.query.decode()).items()}
            body = json.loads(request.content) if request.content else None
            asked = Asked(request.method, request.url.path, query, dict(request.headers), body)
            status, value = self.handle(asked)
            return httpx.Response(status, json=value)

        return httpx.MockTransport(answer)


def refuse(status: int, code: str, detail: str) -> Answer:
    """The usual error."""
    return status, {"error": code, "detail": detail}


def device(hostname: str = "lab", guid: str = GUID, **members: Any) -> dict[str, Any]:
    """A device as the list has it."""
    return {
        "guid": guid,
        "hostname": hostname,
        "description": "",
        "status": "active",
        "site_id": None,
        "site_name": None,
        "operating_system": "Debian 12",
        "device_type": "Server",
        "domain": "",
        "internal_ip": "10.0.0.1",
        "external_ip": "",
        "address": "192.0.2.1",
        "last_reboot": "",
        "last_user": "ada",
        "uptime": 90_000,
        "cpu_percent": 3.5,
        "memory_percent": None,
        "agent_build_id": "",
        "created_at": int(NOW) - 86_400,
        "ssl_key_fingerprint": "ab" * 32,
        "duplicate_suspected": False,
        "duplicate_reason": "",
        "has_agent": True,
        "presence": {"online": True, "contexts": ["system"], "last_seen": NOW - 5, "since": {"system": NOW - 60}},
        "roles": {"audit": {"state": "running", "context": "system"}},
        **members,
    }


def run(run_id: str = "r1", hostname: str = "lab", **members: Any) -> dict[str, Any]:
    """A run that ended in Success."""
    return {
        "device": hostname,
        "guid": GUID,
        "run_id": run_id,
        "activity_id": 1,
        "job_id": "j1",
        "site_id": None,
        "status": "Success",
        "exit_code": 0,
        "stdout": "hello\n",
        "stderr": "",
        "has_stdout": True,
        "has_stderr": False,
        "started_at": NOW - 2.5,
        "finished_at": NOW - 1,
        "reason": "",
        "advice": "",
        "cancel_requested": False,
        "sent_at": NOW - 3,
        "created_at": NOW - 3,
        "expires_at": NOW + 60,
        "created_by": "ada",
        "script_name": "bash script",
        "script_type": "bash",
        "context": "system",
        **members,
    }


class Authority:
    """A CA and a leaf for loopback."""

    def __init__(self, folder: Path, *names: str) -> None:
        from borealis_engine.enrolment import certificate_making

        now = time.time()
        ca_key, leaf_key = certificate_making.new_key(), certificate_making.new_key()
        ca = certificate_making.make_authority(ca_key, now)
        leaf = certificate_making.make_leaf(leaf_key, ca_key=ca_key, ca=ca, names=names or ("127.0.0.1",), now=now)
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_pem = ca.public_bytes(Encoding.PEM).decode()
        self.chain_path, self.key_path = folder / "chain.pem", folder / "key.pem"
        self.chain_path.write_bytes(leaf.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM))
        self.key_path.write_bytes(leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        spki = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.pin = hashlib.sha256(spki).hexdigest()


@contextlib.contextmanager
def serve(rest: FakeRest, authority: Authority) -> Iterator[int]:
    """Answer over TLS on loopback while the block runs; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, query, headers, json.loads(raw) if raw else None)
            status, value = rest.handle(asked)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if asked.path == "/api/auth/login" and status == 200:
                self.send_header("Set-Cookie", "borealis_session=s3; Path=/; Secure; HttpOnly")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain_path, authority.key_path)

    class Server(ThreadingHTTPServer):
        def get_request(self) -> Any:
            plain, address = super().get_request()
            return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, *_: Any) -> None:
            """Clients that do not trust us hang up; that is what they are tested for."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
