"""The program as a whole: how it begins, how it ends, and the one sentence where it cannot run."""

import json
import re
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.programs.programs import EngineProgram, free_port

from borealis_engine.app.program import explain
from borealis_engine.app.serving import MAX_HEAD_BYTES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProgram]:
    """A running Engine that several tests look at."""
    program = EngineProgram(tmp_path_factory.mktemp("engine")).start()
    yield program
    program.stop()


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProgram]:
    """A running Engine for a test that ends it."""
    program = EngineProgram(tmp_path / "engine").start()
    yield program
    program.stop()


def refused(root: Path, environment: Mapping[str, str] | None = None, *, port: int | None = None) -> str:
    """Start an Engine that cannot run; what it said."""
    program = EngineProgram(root, port=port or free_port(), environment=environment)
    answer = subprocess.run(
        program.command, env=program.environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.returncode == 3, answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_it_serves_and_tells_where(engine: EngineProgram) -> None:
    data = engine.root / "Engine" / "Data"
    state = json.loads((data / "engine.json").read_text())
    assert state["pid"] == engine.pid
    assert (state["port"], state["url"]) == (engine.port, engine.url)
    with engine.owner() as client:
        info = client.get("/api/server/info").json()
        assert info["ca_pin"] == state["ca_pin"]
        assert {"gateway", "dispatch", "activity"} <= info["figures"].keys()
        assert client.get("/metrics").status_code == 200
        answer = client.get("/health")
    assert "server" not in answer.headers


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_it_loads_nothing_that_a_server_never_uses(engine: EngineProgram) -> None:
    mapped = Path(f"/proc/{engine.pid}/maps").read_text()
    assert "/msgspec/" in mapped
    assert re.findall(r"/(?:aiohttp|pydantic_core|yarl|frozenlist)/", mapped) == []


def test_the_setup_link_is_for_the_owner_alone(own_engine: EngineProgram) -> None:
    engine = own_engine
    path = engine.root / "Engine" / "Data" / "Secrets" / "setup.link"
    link = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert link.startswith(f"{engine.url}/setup#")
    token = link.partition("#")[2]
    assert token not in engine.output.read_text()
    assert token not in engine.log_text()
    with engine.client() as client:
        body = {"token": token, "username": "ada", "password": "correct horse battery staple"}
        assert client.post("/api/setup", json=body).status_code == 200
    assert engine.stop() == 0
    assert not (path.parent.parent / "engine.json").exists()
    engine.start()
    assert not path.exists(), "a link that opens nothing any more"


def test_its_files_are_nobody_elses_business(engine: EngineProgram) -> None:
    root = engine.root / "Engine"
    for path in [root / "database.db", *root.glob("Data/**/*"), *root.glob("Logs/*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == "engine.json", path


def test_survives_a_kill_and_ends_in_time_while_somebody_waits(own_engine: EngineProgram) -> None:
    own_engine.kill()
    own_engine.start()
    with own_engine.owner() as client, socket.create_connection(("127.0.0.1", own_engine.port)):
        client.get("/health")
        assert own_engine.stop(seconds=12) == 0


def test_rejects_a_second_engine_on_the_same_root(engine: EngineProgram) -> None:
    sentence = refused(engine.root)
    assert f"pid {engine.pid}" in sentence
    assert "BOREALIS_ROOT" in sentence
    with engine.client() as client:
        assert client.get("/health").status_code == 200


def test_rejects_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sentence = refused(tmp_path, port=taken.getsockname()[1])
    assert "BOREALIS_ENGINE_PORT" in sentence
    assert not (tmp_path / "Engine" / "database.db").exists(), "it touched the database"


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"BOREALIS_ENGINE_PORT": "abc"}, "BOREALIS_ENGINE_PORT"),
        ({"BOREALIS_ENGINE_HOST": "192.0.2.1"}, "BOREALIS_ENGINE_HOST"),
        ({"BOREALIS_DATABASE_URL": "nonsense"}, "BOREALIS_DATABASE_URL"),
        ({"BOREALIS_DATABASE_URL": "sqlite:////proc/none/database.db"}, "BOREALIS_DATABASE_URL"),
        ({"BOREALIS_PROXY_LEAF_SHA256": "xyz"}, "BOREALIS_PROXY_LEAF_SHA256"),
        ({"BOREALIS_TLS_CERT": "/none/cert.pem", "BOREALIS_TLS_KEY": "/none/key.pem"}, "cert.pem"),
    ],
)
def test_rejects_settings_that_cannot_be_used(tmp_path: Path, environment: dict[str, str], word: str) -> None:
    assert word in refused(tmp_path, environment)


def test_rejects_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused(tmp_path / "file" / "root", {"BOREALIS_ROOT": str(tmp_path / "file")})


def test_rejects_a_file_system_that_is_read_only() -> None:
    assert "BOREALIS_ROOT" in explain(OSError(30, "Read-only file system", "/x/Engine"))
    assert "disk is full" in explain(OSError(28, "No space left on device"))
    assert "right" in explain(PermissionError(13, "Permission denied", "/x/Engine"))


def test_rejects_a_database_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "Engine").mkdir()
    database = sqlite3.connect(tmp_path / "Engine" / "database.db")
    with database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    assert "newer" in refused(tmp_path)


def test_rejects_headers_without_end(engine: EngineProgram) -> None:
    context = ssl.create_default_context(cafile=str(engine.ca_file))
    with (
        socket.create_connection(("127.0.0.1", engine.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
        pytest.raises(OSError),
    ):
        line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nx-long: ")
        for _ in range(200):
            line.sendall(b"a" * (MAX_HEAD_BYTES // 8))
            time.sleep(0.001)
        assert line.recv(1) == b"", "it is still read"
        raise ConnectionResetError


def test_a_large_body_is_no_head(engine: EngineProgram) -> None:
    with engine.owner() as client:
        answer = client.post("/api/scripts/quick_run", content=b'{"script_content": "' + b"x" * 900_000 + b'"}')
    assert answer.status_code in {400, 404, 415}, answer.text
