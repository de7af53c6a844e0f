"""Atomic files and locks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_base.files import exclusive_lock, move_aside, private_folder, write_atomic


def test_a_written_file_has_its_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"one", mode=0o640)
    write_atomic(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_survives_a_failed_write_with_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_rejects_a_temporary_file_planted_as_a_link(tmp_path: Path) -> None:
    target = tmp_path / "victim"
    target.write_bytes(b"kept")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(target)
    with pytest.raises(OSError):
        write_atomic(tmp_path / "file", b"new")
    assert target.read_bytes() == b"kept"


def test_a_private_folder_is_the_owners_alone(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_torn_file_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(b"torn")
    aside = move_aside(path, 1700000000.9)
    assert (aside.name, aside.read_bytes(), path.exists()) == ("tokens.bad-1700000000", b"torn", False)


@pytest.mark.slow
def test_a_lock_holds_off_another_process_and_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = (
        "import sys, pathlib; from borealis_base.files import exclusive_lock\n"
        "with exclusive_lock(pathlib.Path(sys.argv[1]), timeout=5):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TimeoutError), exclusive_lock(lock, timeout=0.1):
            pass
        process.kill()
        process.wait()
        with exclusive_lock(lock, timeout=5):
            pass
