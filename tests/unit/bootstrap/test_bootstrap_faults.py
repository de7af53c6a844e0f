"""Full disks, read-only disks, foreign roots and other users: one sentence, no traceback, nothing broken."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.programs import wait_for
from tests.programs.toy import Disk, Toy, kill, processes_with

pytestmark = pytest.mark.slow

NOBODY = 65534


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Toy]:
    """An installation of its own, not shared with other tests."""
    toy = Toy(tmp_path)
    yield toy
    toy.stop()


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    """What was said on standard error, after seeing that it is no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("borealis: ")
    return last


@pytest.mark.root
def test_survives_a_full_disk_and_goes_on_when_there_is_room(fresh: Toy) -> None:
    with Disk(fresh.root, "size=200k") as disk:
        fresh.certify()
        assert "The disk is full" in one_sentence(fresh.borealis("up", "--detach"))
        assert processes_with(str(fresh.root)) == []
        disk.remount("size=64m")
        done = fresh.borealis("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        fresh.stop()


@pytest.mark.root
def test_a_read_only_root_is_one_sentence(fresh: Toy) -> None:
    with Disk(fresh.root, "size=64m") as disk:
        disk.remount("ro")
        assert "read-only" in one_sentence(fresh.borealis("up", "--detach"))
        assert fresh.borealis("status").returncode == 0


def test_a_file_where_the_root_should_be_is_one_sentence(fresh: Toy) -> None:
    fresh.root.touch()
    assert str(fresh.root) in one_sentence(fresh.borealis("up", "--detach"))


def test_an_incomplete_checkout_is_named(fresh: Toy) -> None:
    (fresh.checkout / "requirements" / "agent.txt").unlink()
    assert "agent.txt is missing" in one_sentence(fresh.borealis("up", "--detach"))


def test_no_network_at_install_is_one_sentence(fresh: Toy) -> None:
    lock = fresh.checkout / "requirements" / "agent.txt"
    lock.write_text(f"aiohttp==3.14.5 --hash=sha256:{'0' * 64}\n")
    assert "no network" in one_sentence(fresh.borealis("up", "--detach", environ={"PIP_FIND_LINKS": ""}))


class Somebody:
    """An ordinary user with a checkout and a root that they own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="borealis-user-"))
        self.toy = Toy(self.folder)
        self.toy.certify()
        self.toy.environ["HOME"] = str(self.folder)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        self.folder.chmod(0o755)

    def borealis(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``Borealis.sh`` as that user."""
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return subprocess.run(
            [*user, "/bin/sh", str(self.toy.checkout / "Borealis.sh"), *arguments],
            env={**self.toy.environ, "BOREALIS_PYTHON": "/usr/bin/python3"},
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )


@pytest.fixture
def somebody() -> Iterator[Somebody]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to become another user")
    found = Somebody()
    if "3.11 or later is needed" in found.borealis("status").stderr:
        shutil.rmtree(found.folder)
        pytest.skip("other users of this machine have no Python 3.11")
    yield found
    found.toy.stop()
    shutil.rmtree(found.folder)


@pytest.mark.root
def test_an_ordinary_user_needs_no_root(somebody: Somebody) -> None:
    done = somebody.borealis("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "without root" in done.stdout
    engine = somebody.toy.status()["engine"]["pid"]
    assert Path(f"/proc/{engine}").stat().st_uid == NOBODY
    assert somebody.borealis("down").returncode == 0


@pytest.mark.root
def test_rejects_to_touch_what_root_started_when_another_user_asks(somebody: Somebody) -> None:
    assert somebody.toy.borealis("up", "--detach").returncode == 0
    before = somebody.toy.status()["engine"]["pid"]
    for command in ("up", "down"):
        said = one_sentence(somebody.borealis(command))
        assert "root" in said, said
    assert somebody.toy.status()["engine"]["pid"] == before


def test_survives_a_root_that_vanished_without_supervisors_that_go_on_for_ever(fresh: Toy) -> None:
    fresh.certify()
    assert fresh.borealis("up", "--detach").returncode == 0
    status = fresh.status()
    shutil.rmtree(fresh.root)
    assert fresh.status()["engine"]["state"] == "stopped"
    assert "Nothing of Borealis runs" in fresh.borealis("down").stdout
    for program in ("agent", "engine"):
        kill(status[program]["pid"])
    wait_for("the supervisors to end", lambda: not processes_with(str(fresh.root)), seconds=5)
