"""Atomic files under crashes, threads and processes; locks."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.programs.systems import ON_WINDOWS, needs_file_modes

from borealis_base import files
from borealis_base.files import exclusive_lock, move_aside, private_folder, sync_folder, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_written_file_has_its_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"one", mode=0o640)
    write_atomic(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert ON_WINDOWS or path.stat().st_mode & 0o777 == 0o640
    assert names(path.parent) == ["file"]


def test_a_file_that_is_read_only_is_replaced_too(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomic(path, b"one", mode=0o400)
    write_atomic(path, b"two", mode=0o400)
    assert move_aside(path, 1).read_bytes() == b"two"


@needs_file_modes
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_the_umask_neither_loosens_nor_tightens_a_mode(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "secret", b"x")
        write_atomic(tmp_path / "public", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644


def test_survives_a_failed_write_with_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


STEPS = ["open", *([] if ON_WINDOWS else ["fchmod"]), "fsync", "replace", "sync_folder"]


def _break(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    holder: Any = {"replace": Path, "sync_folder": files}.get(step, os)
    monkeypatch.setattr(holder, step, fail)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("old", [b"old", None])
def test_survives_an_error_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, old: bytes | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        write_atomic(path, old)
    with monkeypatch.context() as patched:
        _break(patched, step, OSError(28, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            write_atomic(path, b"new")
    # The last step is after the rename: the new file is whole then. No half file, no left-over, ever.
    expected = b"new" if step == "sync_folder" else old
    assert (path.read_bytes() if path.exists() else None) == expected
    assert names(tmp_path) == (["file"] if expected is not None else [])
    write_atomic(path, b"later")
    assert path.read_bytes() == b"later"


_CRASHER = """
import os, pathlib, sys
from borealis_base import files
path, step, at = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def die(real):
    def call(*arguments, **options):
        if at == 1:
            real(*arguments, **options)
        os._exit(9)
    return call
holder = {"replace": pathlib.Path, "sync_folder": files}.get(step, files.os)
if step == "write":
    real = os.fdopen
    class Torn:
        def __init__(self, file): self.file = file
        def __enter__(self): return self
        def __exit__(self, *_): pass
        def fileno(self): return self.file.fileno()
        def write(self, data): os.write(self.file.fileno(), data[: len(data) // 2]); os._exit(9)
    os.fdopen = lambda *a, **k: Torn(real(*a, **k))
else:
    setattr(holder, step, die(getattr(holder, step)))
files.write_atomic(path, b"new" * 10000)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("step", [*STEPS, "write"])
def test_survives_a_kill_at_any_step(tmp_path: Path, step: str, after: int) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    command = [sys.executable, "-c", _CRASHER, str(path), step, str(after)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    assert path.read_bytes() in {b"old", b"new" * 10000}
    write_atomic(path, b"next")
    assert path.read_bytes() == b"next"


def test_survives_many_threads_that_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + number]) * 50_000 for number in range(8)]
    failures: list[BaseException] = []

    def work(content: bytes) -> None:
        try:
            for _ in range(5):
                write_atomic(path, content)
                # A reader may find it closed to him on Windows, but never half of it.
                with contextlib.suppress(*([PermissionError] if ON_WINDOWS else [])):
                    assert path.read_bytes() in contents
        except BaseException as error:  # noqa: BLE001  (told below)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_rejects_to_write_through_a_planted_link(tmp_path: Path, kind: str) -> None:
    victim, place = tmp_path / "victim", tmp_path / f".file.{os.getpid()}-{threading.get_native_id()}.tmp"
    victim.write_bytes(b"kept")
    if kind == "link":
        place.symlink_to(victim)
    else:
        place.hardlink_to(victim)
    write_atomic(tmp_path / "file", b"new")
    assert (victim.read_bytes(), (tmp_path / "file").read_bytes()) == (b"kept", b"new")
    assert names(tmp_path) == ["file", "victim"]


def test_survives_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        write_atomic(tmp_path / "file", b"new")
    assert names(tmp_path) == ["file"]


def test_a_link_that_is_written_to_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"kept")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"kept"
    assert not (tmp_path / "file").is_symlink()


@needs_file_modes
def test_a_private_folder_is_the_owners_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_torn_file_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(b"torn")
    aside = move_aside(path, 1700000000.9)
    assert (aside.name, aside.read_bytes(), path.exists()) == ("tokens.bad-1700000000", b"torn", False)


def test_a_second_torn_file_of_the_same_second_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    kept = []
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        kept.append(move_aside(path, 1700000000))
    assert [aside.read_bytes() for aside in kept] == [b"one", b"two", b"three"]


@pytest.mark.skipif(ON_WINDOWS, reason="Windows syncs no folders")
def test_a_folder_that_is_gone_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")


def test_a_lock_is_held_against_other_threads_and_given_back(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "lock"
    with exclusive_lock(lock, timeout=1):
        with pytest.raises(TimeoutError, match="lock is held"), exclusive_lock(lock, timeout=0):
            raise AssertionError("entered twice")
        assert ON_WINDOWS or lock.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyError), exclusive_lock(lock, timeout=0):
        raise KeyError
    with exclusive_lock(lock, timeout=0):
        pass


@pytest.mark.slow
def test_only_one_of_many_processes_is_inside_a_lock(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    worker = (
        "import pathlib, sys; from borealis_base.files import exclusive_lock\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for _ in range(25):\n"
        "    with exclusive_lock(folder / 'lock', timeout=60):\n"
        "        value = int((folder / 'counter').read_text())\n"
        "        (folder / 'counter').write_text(str(value + 1))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [subprocess.Popen([sys.executable, "-c", worker, str(tmp_path)], env=environment) for _ in range(4)]
    assert [process.wait() for process in workers] == [0, 0, 0, 0]
    assert counter.read_text() == "100"


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
        assert process.stdout.readline().split() == [b"held"]
        with pytest.raises(TimeoutError), exclusive_lock(lock, timeout=0.1):
            pass
        process.kill()
        process.wait()
        with exclusive_lock(lock, timeout=5):
            pass
