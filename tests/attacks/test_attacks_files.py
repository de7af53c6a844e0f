"""Whoever gets near the files' port, the REST door, or a folder on the device, to reach files that are not theirs."""

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.attacks.forging import THIEF
from tests.attacks.rights import an_operator
from tests.programs.files import Files, in_pieces, some_bytes
from tests.programs.local import local_pair
from tests.programs.programs import AgentProgram, EngineProgram, enrol, processes_with, wait_for, wait_online

from borealis_wire import strict_json
from borealis_wire.envelope import FILES_TYPE, SHELL_TYPE, seal
from borealis_wire.files import FileAction, FilesOrder
from borealis_wire.keys import SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX's files and accounts")]
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
LARGE = some_bytes(40_000_000, 3)


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    key: SigningKey

    @property
    def port(self) -> int:
        return int(self.agent.environment["BOREALIS_FILES_PORT"])

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order that is as it should be, but for ``changes``."""
        now = time.time()
        order = FilesOrder(str(uuid.uuid4()), self.guid, "owner", FileAction.LIST, now, now + 60, path="/")
        return {**order.to_json(), **changes}

    def sealed(self, order: dict[str, Any], *, key: SigningKey | None = None, kind: str = FILES_TYPE) -> dict[str, Any]:
        return seal(kind, strict_json.canonical(order), key or self.key)

    def knock(self, *lines: bytes) -> list[dict[str, Any]]:
        """Connect, say this, and give what is answered, up to the end."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as line, line.makefile("rb") as heard:
            line.settimeout(20)
            try:
                line.sendall(b"".join(lines))
                line.shutdown(socket.SHUT_WR)
                answers = list(heard)
            except OSError:
                return []  # it hung up before it had heard us out
        return [json.loads(answer) for answer in answers if answer.strip()]

    def open(self, envelope: Any) -> dict[str, Any]:
        """The answer to an order."""
        return self.knock(json.dumps({"type": "open", "envelope": envelope}).encode() + b"\n")[0]

    @contextlib.contextmanager
    def files(self, token: str = "") -> Iterator[Files]:
        with self.engine.client(token) if token else self.engine.owner() as client:
            yield Files(client, self.guid)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="borealis-files-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            guid = enrol(engine, agent)
            yield House(engine, agent, guid, stolen_signing_key(engine))
        finally:
            agent.stop()
            engine.stop()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every account gets to."""
    folder = Path(tempfile.mkdtemp(prefix="borealis-attack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_rejects_orders_about_files_that_do_not_hold(house: House) -> None:
    assert house.open(house.sealed(house.order()))["type"] == "opened", "so what is refused below is so for its reason"
    now = time.time()
    unsigned = {**house.sealed(house.order()), "signatures": []}
    changed = {**house.sealed(house.order(user="daemon")), "payload": house.sealed(house.order())["payload"]}
    other = str(uuid.uuid4()).upper()
    refused: dict[str, list[Any]] = {
        "bad_signature": [unsigned, changed],
        "unknown_key": [house.sealed(house.order(), key=THIEF)],
        "wrong_device": [house.sealed(house.order(device_guid=other))],
        "expired": [house.sealed(house.order(issued_at=now - 90, expires_at=now - 30))],
        "not_yet_valid": [house.sealed(house.order(issued_at=now + 600, expires_at=now + 650))],
        "unsupported_type": [house.sealed(house.order(), kind=SHELL_TYPE)],
        "malformed": [
            house.sealed(house.order(expires_at=now + 3600)),
            house.sealed(house.order(asked_by="")),
            house.sealed(house.order(path="/etc\0/shadow")),
            house.sealed(house.order(action="write", path="/tmp/x", transfer_id="../../../../../../etc/cron.d/x00")),
            house.sealed({**house.order(), "command": "id"}),
            None,
        ],
    }
    for reason, envelopes in refused.items():
        for envelope in envelopes:
            answer = house.open(envelope)
            assert (answer["type"], answer["reason"]) == ("refused", reason)


def test_rejects_an_order_about_files_that_was_used_before_also_after_a_restart(house: House) -> None:
    envelope = house.sealed(house.order())
    assert house.open(envelope)["type"] == "opened"
    assert house.open(envelope)["reason"] == "replayed"
    house.agent.kill()
    house.agent.start()
    wait_online(house.engine, house.agent)

    def refused() -> bool:
        try:
            return house.open(envelope).get("reason") == "replayed"
        except (OSError, IndexError):
            return False

    wait_for("the port", refused)


@pytest.mark.parametrize("rest", [b"x" * 70_000, b'{"type":"end"}\n', b"\xff\n"])
def test_rejects_bytes_that_come_before_the_answer(house: House, home: Path, rest: bytes) -> None:
    order = house.order(action="write", path=str(home / "x"), size=10, transfer_id="a" * 32)
    begin = json.dumps({"type": "open", "envelope": house.sealed(order)}).encode() + b"\n"
    answers = house.knock(begin + rest)
    assert all(answer["type"] == "refused" for answer in answers)
    assert not (home / "x").exists()
    assert house.open(house.sealed(house.order()))["type"] == "opened"


def test_rejects_operators_without_the_right_or_out_of_their_sites(house: House, home: Path) -> None:
    with house.engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "elsewhere"}).json()["id"]
    viewer = an_operator(house.engine, "vera", "Viewer", ["devices.read"])
    narrow = an_operator(house.engine, "nora", "Operator", ["devices.read", "shell"])
    afar = an_operator(house.engine, "otto", "Operator", ["files", "devices.read"], sites=[site])
    for token, code in ((viewer, "forbidden"), (narrow, "forbidden"), (afar, "device_not_found")):
        with house.files(token) as files:
            client, content = files.client, f"{files.at}/content"
            for answer in (
                files.listed("/"),
                files.read("/etc/hosts"),
                files.write(home / "x", b"x"),
                client.get(f"{files.at}/upload", params={"path": "/etc/shadow"}),
                client.post(f"{files.at}/folders", json={"path": str(home / "d")}),
                client.delete(content, params={"path": str(home)}),
            ):
                assert answer.json()["error"] == code, answer.text
    assert list(home.iterdir()) == []
    with httpx.Client(base_url=house.engine.url, verify=house.engine.tls(), trust_env=False) as nobody:
        assert Files(nobody, house.guid).read("/etc/hosts").status_code == 401


def test_rejects_what_is_no_path_or_no_device(house: House) -> None:
    with house.files() as files:
        for path in ("a\0b", "x" * 5000, "\u00fc" * 4000):
            assert files.listed(path).status_code == 400, path[:10]
        for guid in ("..%2f..%2fetc", "%00", str(uuid.uuid4())):
            assert files.client.get(f"/api/files/{guid}").status_code in {400, 404}
        for wrong in ({"transfer": "../x"}, {"offset": 2}, {"size": -1}, {"mode": 0o4755}, {"sha256": "x"}):
            answer = files.write("/tmp/x", b"x", **wrong)
            assert answer.status_code == 400, wrong


def test_rejects_headers_from_the_names_of_files(house: House, home: Path) -> None:
    name = 'a"\r\nSet-Cookie: x=y; filename=.html'
    (home / name).write_bytes(b"data")
    with house.files() as files:
        answer = files.read(home / name)
    assert answer.content == b"data"
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''a%22%0D%0ASet-Cookie")


def test_rejects_who_goes_on_with_the_upload_of_somebody_else(house: House, home: Path) -> None:
    token = an_operator(house.engine, "erik", "Operator", ["files", "devices.read"])
    target = home / "up.bin"
    with house.files() as files, house.files(token) as other:
        assert files.write(target, b"secret data", body=b"secret ").json()["offset"] == 7
        assert files.stand(target, 11)["offset"] == 7
        assert other.stand(target, 11)["offset"] == 0
        assert other.write(target, b"secret data", offset=7).json()["error"] == "files_changed"
        assert files.read("/etc/hosts").status_code == 200
        fetched = files.read("/etc/hosts").headers["x-borealis-transfer"]
        assert files.client.get(f"/api/transfers/{fetched}/digest").status_code == 200
        assert other.client.get(f"/api/transfers/{fetched}/digest").status_code == 404


@pytest.mark.parametrize("deed", ["role", "disabled", "quarantine"])
def test_rejects_an_operator_whose_right_is_taken_in_the_middle(house: House, home: Path, deed: str) -> None:
    name = f"mona-{deed}"
    token = an_operator(house.engine, name, "Operator", ["files", "devices.read"])
    source, target = home / "large", home / "up.bin"
    with source.open("wb") as file:
        file.truncate(3_000_000_000)
    reached, go_on = threading.Event(), threading.Event()
    heard: list[Any] = []

    def slowly() -> Iterator[bytes]:
        for number, piece in enumerate(in_pieces(LARGE)):
            if number == 40:
                reached.set()
                go_on.wait(60)
            yield piece

    def bring() -> None:
        with house.files(token) as files:
            try:
                heard.append(files.write(target, LARGE, body=slowly()).status_code)
            except httpx.TransportError as error:
                heard.append(error)

    thread = threading.Thread(target=bring)
    with (
        house.files(token) as files,
        house.engine.owner() as owner,
        files.client.stream("GET", f"{files.at}/content", params={"path": str(source)}) as answer,
    ):
        pieces = answer.iter_raw(65536)
        next(pieces)
        thread.start()
        assert reached.wait(60)
        rows = wait_for("both", lambda: (r := owner.get("/api/transfers").json()["transfers"]) and len(r) == 2 and r)
        assert {row["username"] for row in rows} == {name}
        try:
            match deed:
                case "role":
                    done = owner.post(f"/api/users/{name}/role", json={"role": "Viewer"})
                case "disabled":
                    done = owner.post(f"/api/users/{name}/disabled", json={"disabled": True})
                case _:
                    done = owner.post(f"/api/devices/{house.guid}/quarantine")
            assert done.status_code == 200, done.text
            wait_for("both to be over", lambda: not owner.get("/api/transfers").json()["transfers"], seconds=10)
            wait_for("no process to be left", lambda: not processes_with("capabilities.files.child"), seconds=10)
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in pieces:
                    pass
        finally:
            if deed == "quarantine":
                owner.post(f"/api/devices/{house.guid}/release")
                wait_online(house.engine, house.agent)
            go_on.set()
            thread.join(60)
    assert heard != [200]
    assert not target.exists()


@needs_root
def test_rejects_a_link_that_is_swapped_while_a_file_is_written_as_its_owner(house: House, home: Path) -> None:
    """Whatever the account does in its own folder meanwhile, nothing is written that it could not write itself."""
    mine, aim = home / "mine", home / "roots"
    mine.mkdir()
    aim.mkdir()
    os.chown(mine, 1, 1)
    (aim / "file").write_bytes(b"untouched")
    (aim / "file").chmod(0o600)
    over = threading.Event()

    def trap() -> None:
        while not over.wait(0.002):
            for one in (*mine.glob(".borealis-*"), mine / "file"):
                with contextlib.suppress(OSError):
                    one.unlink()
                    one.symlink_to(aim / "file")
                    os.chown(one, 1, 1, follow_symlinks=False)

    thread = threading.Thread(target=trap)
    thread.start()
    try:
        with house.files() as files:
            for number in range(6):
                # As the account, and as root, whom the account would like to use.
                for user in ("daemon", ""):
                    data = some_bytes(3_000_000, number)
                    files.write(mine / "file", data, user=user, overwrite=True, transfer=f"t{number}{user}")
    finally:
        over.set()
        thread.join(30)
    assert (aim / "file").read_bytes() == b"untouched"
    assert [one.name for one in aim.iterdir()] == ["file"]


def test_rejects_more_at_a_time_than_one_operator_may_have(house: House, home: Path) -> None:
    source = home / "large"
    with source.open("wb") as file:
        file.truncate(3_000_000_000)
    with house.files() as files, contextlib.ExitStack() as held:
        for _ in range(16):
            answer = held.enter_context(files.client.stream("GET", f"{files.at}/content", params={"path": str(source)}))
            assert answer.status_code == 200
        refused = files.read(source)
        assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    wait_for("no process to be left", lambda: not processes_with("capabilities.files.child"))
