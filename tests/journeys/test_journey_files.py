"""Files to and from a real agent, by REST and by the command line: whole or not at all, cut and gone on with."""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.programs.files import Files, digest, in_pieces, some_bytes
from tests.programs.local import local_pair
from tests.programs.programs import (
    DATA,
    AgentProgram,
    EngineProgram,
    base_environment,
    enrol,
    processes_with,
    wait_for,
    wait_online,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX's files and accounts")]
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
LARGE = some_bytes(40_000_000)
CHILD = "capabilities.files.child"


@dataclass
class House:
    engine: EngineProgram
    agent: AgentProgram
    guid: str

    @contextlib.contextmanager
    def files(self) -> Iterator[Files]:
        with self.engine.owner() as client:
            yield Files(client, self.guid)

    def command(self, *words: str) -> "subprocess.Popen[str]":
        """``borealis`` as the Engine's owner."""
        path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
        environment = {**base_environment(), "BOREALIS_ROOT": str(self.engine.root), "PYTHONPATH": path}
        return subprocess.Popen(
            [sys.executable, "-m", "borealis_cli", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Its exit status, and what it said."""
        with self.command(*words) as process:
            out, err = process.communicate(timeout=120)
            return process.returncode, out + err


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One Engine and one agent for all of these; each test leaves them as it found them."""
    with tempfile.TemporaryDirectory(prefix="borealis-files-") as folder:
        Path(folder).chmod(0o711)
        engine, agent = local_pair(Path(folder))
        try:
            yield House(engine, agent, enrol(engine, agent))
        finally:
            agent.stop()
            engine.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in (tmp_path, *tmp_path.parents):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o011)
    found = tmp_path / "home"
    found.mkdir()
    return found


def nobody_left() -> bool:
    return not processes_with(CHILD)


def test_a_file_goes_up_and_comes_down_and_is_on_record(house: House, home: Path) -> None:
    target = home / "\u00fcber.bin"
    with house.files() as files:
        done = files.write(target, LARGE, sha256=digest(LARGE))
        assert (done.status_code, done.json()) == (200, {"path": str(target), "offset": len(LARGE), "whole": True})
        assert target.read_bytes() == LARGE
        again = files.read(target)
        assert (again.status_code, again.content) == (200, LARGE)
        assert again.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BCber.bin"
        whole = files.client.get(f"/api/transfers/{again.headers['x-borealis-transfer']}/digest").json()
        assert whole == {"sha256": digest(LARGE)}
        rest = files.read(target, range="bytes=39999990-", **{"if-range": again.headers["etag"]})
        assert (rest.status_code, rest.content) == (206, LARGE[-10:])
        assert rest.headers["content-range"] == "bytes 39999990-39999999/40000000"
        target.write_bytes(b"another")
        other = files.read(target, range="bytes=5-", **{"if-range": again.headers["etag"]})
        assert (other.status_code, other.content) == (200, b"another")
        assert files.read(target, range="bytes=7-").status_code == 416
        listed = files.listed(str(home)).json()
        assert [(one["name"], one["kind"], one["size"]) for one in listed["entries"]] == [("\u00fcber.bin", "file", 7)]
        assert files.write(home / "empty", b"").json()["whole"]
        assert files.read(home / "empty").content == b""
        assert files.client.post(f"{files.at}/folders", json={"path": str(home / "new")}).status_code == 201
        params = {"path": str(home / "new")}
        assert files.client.delete(f"{files.at}/content", params=params).status_code == 200
        rows = files.client.get("/api/runs", params={"kind": "files", "device": house.guid}).json()["runs"]
        assert {(row["status"], row["script_name"]) for row in rows} >= {
            ("Completed", f"Brought {target}"),
            ("Completed", f"Fetched {target}"),
        }
        entries = files.client.get("/api/audit", params={"target": house.guid}).json()["entries"]
    assert {"files.open", "files.close", "files.list", "files.mkdir", "files.remove"} <= {
        entry["action"] for entry in entries
    }
    closed = next(one for one in entries if one["action"] == "files.close" and one["detail"].get("size") == len(LARGE))
    assert closed["detail"]["path"] == str(target)


def test_an_upload_whose_connection_is_cut_is_gone_on_with(house: House, home: Path) -> None:
    target = home / "up.bin"
    with house.files() as files:

        def until_half() -> Iterator[bytes]:
            for number, piece in enumerate(in_pieces(LARGE)):
                if number == 80:
                    raise ConnectionAbortedError
                yield piece

        with pytest.raises(ConnectionAbortedError):
            files.write(target, LARGE, body=until_half())

        def stands() -> int | None:
            offset = int(files.stand(target, len(LARGE))["offset"])
            return offset if offset > 10_000_000 else None

        offset = wait_for("what arrived", stands)
        assert not target.exists()
        assert files.stand(target, len(LARGE), transfer="t2")["offset"] == 0
        done = files.write(target, LARGE, offset=offset, sha256=digest(LARGE))
        assert done.json()["whole"]
    assert target.read_bytes() == LARGE
    assert [one.name for one in home.iterdir()] == ["up.bin"]
    wait_for("no process to be left", nobody_left)


def test_survives_an_agent_that_is_killed_in_the_middle(house: House, home: Path) -> None:
    target = home / "up.bin"
    reached, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        for number, piece in enumerate(in_pieces(LARGE)):
            if number == 80:
                reached.set()
                go_on.wait(60)
            yield piece

    with house.files() as files:
        failed: list[httpx.Response | Exception] = []

        def bring() -> None:
            try:
                failed.append(files.write(target, LARGE, body=slowly()))
            except httpx.TransportError as error:
                failed.append(error)

        thread = threading.Thread(target=bring)
        thread.start()
        assert reached.wait(60)
        assert processes_with(CHILD)
        house.agent.kill()
        wait_for("no process to be left", nobody_left)
        go_on.set()
        thread.join(60)
        (answer,) = failed
        assert isinstance(answer, Exception) or answer.status_code == 503, answer.text
        assert not target.exists()
        house.agent.start()
        wait_online(house.engine, house.agent)
    with house.files() as files:
        offset = int(files.stand(target, len(LARGE))["offset"])
        assert offset > 5_000_000
        assert files.write(target, LARGE, offset=offset, sha256=digest(LARGE)).json()["whole"]
    assert target.read_bytes() == LARGE


def test_what_arrives_other_than_it_was_meant_changes_nothing(house: House, home: Path) -> None:
    target = home / "file"
    target.write_bytes(b"old")
    with house.files() as files:
        wrong = files.write(target, b"new", sha256=digest(b"other"), overwrite=True)
        assert (wrong.status_code, wrong.json()["error"]) == (409, "files_digest_mismatch")
        there = files.write(target, b"new")
        assert (there.status_code, there.json()["error"]) == (409, "files_exists")
        too_much = files.write(target, b"new", body=b"newer", overwrite=True)
        assert (too_much.status_code, too_much.json()["error"]) == (400, "files_too_long")
        too_little = files.write(target, b"new", body=b"ne", overwrite=True)
        assert too_little.json() == {"path": str(target), "offset": 2, "whole": False}
        assert target.read_bytes() == b"old"
        missing = files.read(home / "nothing")
        assert (missing.status_code, missing.json()["error"]) == (404, "files_not_found")


@needs_root
def test_as_another_account_the_system_says_what_may_be_done(house: House, home: Path) -> None:
    os.chown(home, 1, 1)
    home.chmod(0o700)
    with house.files() as files:
        assert files.write(home / "mine", b"x", user="daemon").status_code == 200
        found = (home / "mine").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 1, 0o644)
        for answer in (
            files.write("/etc/borealis-test", b"x", user="daemon"),
            files.read("/etc/shadow", user="daemon"),
            files.listed("/root", user="daemon"),
            files.listed(str(home), user="nobody"),
        ):
            assert (answer.status_code, answer.json()["error"]) == (409, "files_no_right")
        assert files.listed("", user="no-such-person").json()["error"] == "files_no_account"


def test_an_operator_may_be_stopped_in_the_middle(house: House, home: Path) -> None:
    source = home / "large"
    with source.open("wb") as file:
        file.truncate(3_000_000_000)
    with (
        house.files() as files,
        house.engine.owner() as other,
        files.client.stream("GET", f"{files.at}/content", params={"path": str(source)}) as answer,
    ):
        pieces = answer.iter_raw(65536)
        next(pieces)
        (row,) = other.get("/api/transfers", params={"device": house.guid}).json()["transfers"]
        assert (row["path"], row["down"], row["size"]) == (str(source), True, 3_000_000_000)
        assert other.delete(f"/api/transfers/{row['transfer_id']}").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                pass
    wait_for("no process to be left", nobody_left)


def test_a_browser_that_goes_away_ends_its_download(house: House, home: Path) -> None:
    source = home / "large"
    with source.open("wb") as file:
        file.truncate(3_000_000_000)
    with (
        house.files() as files,
        files.client.stream("GET", f"{files.at}/content", params={"path": str(source)}) as answer,
    ):
        next(answer.iter_raw(65536))
    wait_for("no process to be left", nobody_left)
    with house.engine.owner() as client:
        wait_for("no transfer", lambda: not client.get("/api/transfers").json()["transfers"])


def test_the_command_line_copies_both_ways_and_whole_folders(house: House, home: Path, tmp_path: Path) -> None:
    local, back = tmp_path / "local", tmp_path / "back"
    (local / "sub").mkdir(parents=True)
    back.mkdir()
    (local / "a.bin").write_bytes(LARGE)
    (local / "sub" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (local / "sub" / "run.sh").chmod(0o755)
    (local / "link").symlink_to("a.bin")
    status, said = house.run("cp", str(local / "a.bin"), f"{house.guid}:{home}")
    assert (status, (home / "a.bin").read_bytes() == LARGE) == (0, True), said
    status, said = house.run("cp", str(local / "a.bin"), f"{house.guid}:{home}/a.bin")
    assert (status, "is there already" in said) == (1, True), said
    status, said = house.run("cp", "-r", str(local), f"{house.guid}:{home}/")
    assert (status, "link is left out" in said) == (0, True), said
    assert (home / "local" / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755
    status, said = house.run("ls", f"{house.guid}:{home}/local")
    assert (status, "a.bin" in said, "sub/" in said) == (0, True, True), said
    status, said = house.run("cp", f"{house.guid}:{home}/a.bin", str(back))
    assert (status, (back / "a.bin").read_bytes() == LARGE) == (0, True), said
    status, said = house.run("cp", "-r", f"{house.guid}:{home}/local", str(back))
    assert (status, (back / "local" / "sub" / "run.sh").read_bytes()) == (0, b"#!/bin/sh\n"), said
    status, said = house.run("cp", f"{house.guid}:{home}/nothing", str(back))
    assert (status, "There is no" in said) == (1, True), said
    status, said = house.run("cp", f"{house.guid}:/etc/shadow", str(back), "--user", "no-such-person")
    assert (status, "There is no account" in said) == (1, True), said
    assert house.run("cp", "a", "b")[0] == 2
    assert sorted(one.name for one in back.iterdir()) == ["a.bin", "local"]


def test_the_command_line_goes_on_by_itself_when_engine_or_agent_were_away(house: House, home: Path) -> None:
    source = home / "source.bin"
    data = some_bytes(300_000_000, 2)
    source.write_bytes(data)
    for words, result, pattern in (
        (("cp", str(source), f"{house.guid}:{home}/up.bin"), home / "up.bin", ".borealis-*.part"),
        (("cp", f"{house.guid}:{source}", str(home / "down.bin")), home / "down.bin", ".borealis-*.part"),
    ):

        def came(pattern: str = pattern) -> bool:
            return any(one.stat().st_size > 5_000_000 for one in home.glob(pattern))

        with house.command(*words) as process:
            wait_for("a part of it", came, seconds=60)
            house.engine.kill()
            house.engine.start()
            wait_online(house.engine, house.agent, seconds=90)
            out, err = process.communicate(timeout=200)
            assert process.returncode == 0, out + err
            assert "Going on" in err
        assert result.read_bytes() == data
        assert not list(home.glob(pattern))
