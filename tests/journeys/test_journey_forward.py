"""Ports of a real device on the operator's machine: whole, both ways, many at once, and what an end looks like."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.programs.forwards import Forwarding, forwarding, read_all, tcp_server
from tests.programs.local import local_pair
from tests.programs.programs import (
    DATA,
    AgentProgram,
    EngineProgram,
    base_environment,
    enrol,
    wait_for,
    wait_online,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C by a signal")]
BODY = hashlib.sha256(b"forward").digest() * 32 * 1024 * 20
"""20 MiB."""


@dataclass
class Pair:
    engine: EngineProgram
    agent: AgentProgram
    guid: str

    def rows(self) -> list[dict[str, Any]]:
        """Forwards that are open."""
        with self.engine.owner() as client:
            found: list[dict[str, Any]] = client.get("/api/forward/sessions").json()["forwards"]
        return found

    def audit(self, action: str) -> list[dict[str, Any]]:
        with self.engine.owner() as client:
            found = client.get("/api/audit", params={"target": self.guid, "limit": 200}).json()["entries"]
        return [entry for entry in found if entry["action"] == action]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One Engine and one agent for all of these; each test leaves them as it found them."""
    with tempfile.TemporaryDirectory(prefix="borealis-forward-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            yield Pair(engine, agent, enrol(engine, agent))
        finally:
            agent.stop()
            engine.stop()


class Site(BaseHTTPRequestHandler):
    """A web server of the device: gives a large body, and says what it got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The body."""
        self.answer(BODY)

    def do_POST(self) -> None:
        """The digest of what came."""
        self.answer(hashlib.sha256(self.rfile.read(int(self.headers["content-length"]))).hexdigest().encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def to(pair: Pair, port: int, host: str = "127.0.0.1") -> Any:
    return forwarding(pair.engine.root, pair.guid, f"0:{host}:{port}")


def test_a_web_page_of_the_device_comes_whole_both_ways(pair: Pair, site: int) -> None:
    with to(pair, site) as program:
        (port,) = program.ports()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as web:
            assert web.get("/").content == BODY
            assert web.post("/", content=BODY).text == hashlib.sha256(BODY).hexdigest()
        (row,) = pair.rows()
        assert (row["guid"], row["host"], row["port"], row["opened"]) == (pair.guid, "127.0.0.1", site, 1)
        assert program.interrupt() == 0, program.err
    assert "1 connections, " in program.err
    wait_for("nothing left", lambda: not pair.rows())
    # Once on record with what went through it, and a row of the device's activity.
    (opened,), (closed,) = pair.audit("forward.open"), pair.audit("forward.close")
    assert opened["detail"]["target"] == f"127.0.0.1:{site}"
    assert closed["detail"]["connections"] == 1
    assert closed["detail"]["received"] > len(BODY) < closed["detail"]["sent"]
    with pair.engine.owner() as client:
        (run,) = client.get("/api/runs", params={"kind": "forward", "device": pair.guid}).json()["runs"]
    assert (run["status"], run["script_name"]) == ("Completed", f"Port forwarding to 127.0.0.1:{site}")


def test_each_direction_ends_by_itself(pair: Pair) -> None:
    def counting(connection: socket.socket) -> None:
        asked = read_all(connection)
        connection.sendall(b"%d " % len(asked) + asked[::-1])

    with tcp_server(counting) as target, to(pair, target) as program:
        (port,) = program.ports()
        with socket.create_connection(("127.0.0.1", port), 30) as line:
            line.sendall(b"abc" * 100_000)
            line.shutdown(socket.SHUT_WR)
            assert read_all(line) == b"300000 " + b"cba" * 100_000

    def greeting(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    heard: list[bytes] = []
    with tcp_server(greeting) as target, to(pair, target) as program:
        with socket.create_connection(("127.0.0.1", program.ports()[0]), 30) as line:
            assert read_all(line) == b"hello"
            line.sendall(b"still here")
        wait_for("the rest", lambda: heard == [b"still here"])


def test_fifty_connections_at_once_do_not_mix(pair: Pair) -> None:
    def echo(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    with tcp_server(echo) as target, to(pair, target) as program:
        (port,) = program.ports()
        together = threading.Barrier(50, timeout=120)

        def one(number: int) -> bool:
            sent = bytes([number]) * 50_000
            with socket.create_connection(("127.0.0.1", port), 60) as line:
                line.sendall(sent[:1])
                heard = line.recv(1)
                together.wait()  # all of them are open now
                line.sendall(sent[1:])
                line.shutdown(socket.SHUT_WR)
                return heard + read_all(line) == sent

        with ThreadPoolExecutor(50) as threads:
            assert all(threads.map(one, range(50)))
        (row,) = pair.rows()
        assert row["opened"] == 50
        wait_for("all ended", lambda: pair.rows()[0]["connections"] == 0)
        assert program.process.poll() is None, program.err


def test_a_program_that_does_not_read_holds_up_its_own_connection_only(pair: Pair) -> None:
    written = 0

    def flooding(connection: socket.socket) -> None:
        nonlocal written
        if connection.recv(1) == b"f":
            for _ in range(100 * 16):
                connection.sendall(bytes(65536))
                written += 65536
        else:
            connection.sendall(b"quick")

    with tcp_server(flooding) as target, to(pair, target) as program:
        (port,) = program.ports()
        with socket.create_connection(("127.0.0.1", port), 60) as slow:
            slow.sendall(b"f")
            assert slow.recv(1) == b"\0"
            with socket.create_connection(("127.0.0.1", port), 60) as quick:
                quick.sendall(b"q")
                assert read_all(quick) == b"quick"
            assert written < 100 * 1024 * 1024
            assert len(read_all(slow)) == 100 * 1024 * 1024 - 1


@pytest.mark.parametrize(("host", "word"), [("127.0.0.1", "refused"), ("no.such.invalid", "not_resolved")])
def test_a_target_that_takes_nothing_is_told_with_its_reason_and_the_forward_goes_on(
    pair: Pair, host: str, word: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = listener.getsockname()[1]
    with to(pair, target, host) as program:
        (port,) = program.ports()
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 30) as line, pytest.raises(ConnectionResetError):
                read_all(line)
        wait_for("two sentences", lambda: program.err.count(f"({word})") == 2)
        assert program.interrupt() == 0


def test_several_at_once_and_one_that_cannot_listen(pair: Pair, site: int) -> None:
    words = (f"0:127.0.0.1:{site}", f"localhost:0:localhost:{site}")
    with forwarding(pair.engine.root, pair.guid, *words) as program:
        for port in program.ports(2):
            assert httpx.get(f"http://127.0.0.1:{port}/", timeout=60, trust_env=False).content == BODY
        program.process.terminate()
        assert program.ended() == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with forwarding(pair.engine.root, pair.guid, f"{port}:127.0.0.1:{site}") as program:
            assert program.ended() == 1
    assert f"127.0.0.1 port {port} cannot be listened on" in program.err
    with forwarding(pair.engine.root, pair.guid, "80") as program:
        assert program.ended() == 2


def other_command(pair: Pair, *words: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
    environment = {**base_environment(), "BOREALIS_ROOT": str(pair.engine.root), "PYTHONPATH": path}
    command = [sys.executable, "-m", "borealis_cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def opened(program: Forwarding) -> socket.socket:
    """A connection through it that has answered."""
    line = socket.create_connection(("127.0.0.1", program.ports()[0]), 30)
    line.sendall(b"x")
    assert line.recv(1) == b"x"
    return line


def echoing(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def test_whoever_ends_a_forward_ends_its_connections_and_is_named(pair: Pair) -> None:
    with tcp_server(echoing) as target, to(pair, target) as program, opened(program) as line:
        listed = other_command(pair, "forwards", "list")
        (row,) = pair.rows()
        assert row["session_id"] in listed.stdout
        assert other_command(pair, "forwards", "end", row["session_id"]).returncode == 0
        with pytest.raises(ConnectionResetError):
            read_all(line)
        assert program.ended() == 1
        assert f"{row['username']} ended it." in program.err
    assert other_command(pair, "forwards", "end", row["session_id"]).returncode == 1


def test_survives_a_killed_agent_and_goes_on_when_it_is_back(pair: Pair) -> None:
    with tcp_server(echoing) as target, to(pair, target) as program:
        with opened(program) as line:
            pair.agent.kill()
            with pytest.raises(ConnectionResetError):
                read_all(line)
        pair.agent.start()
        wait_online(pair.engine, pair.agent)

        def goes_through() -> bool:
            try:
                opened(program).close()
            except (OSError, AssertionError):
                return False
            return True

        wait_for("a connection after the agent came back", goes_through, seconds=60)
        assert program.interrupt() == 0


def test_survives_an_engine_that_is_started_again(pair: Pair) -> None:
    with tcp_server(echoing) as target, to(pair, target) as program:
        with opened(program) as line:
            pair.engine.stop()
            with pytest.raises(ConnectionResetError):
                read_all(line)
        pair.engine.start()
        wait_online(pair.engine, pair.agent)
        program.ports(2)  # told again
        opened(program).close()
        assert program.interrupt() == 0
