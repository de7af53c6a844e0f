"""Python environments: made once for a lock file, and failures told in one sentence."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest
from tests.programs.programs import base_environment

from borealis_bootstrap import environments
from borealis_bootstrap.environments import ensure_environment, environment_key, failure_sentence
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import python_in
from borealis_bootstrap.shelf import Shelf

OFFLINE = {**base_environment(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying ... NewConnectionError('<pip._vendor>: Failed to establish')", "no network"),
        ("ERROR: Could not find a version that satisfies the requirement aiohttp==3.14.5", "no network"),
        ("ReadTimeoutError: HTTPSConnectionPool(host='x'): Read timed out.", "no network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "do not use it"),
        ("The virtual environment was not created successfully because ensurepip is not available.", "python3-venv"),
        ("  error: command 'gcc' failed: No such file or directory", "C compiler"),
        ("something nobody has seen", "log below"),
    ],
)
def test_failures_become_a_sentence_that_says_what_to_do(said: str, sentence: str) -> None:
    assert sentence in failure_sentence(said)


def test_a_python_without_venv_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotGoOn, match="apt-get install python3-venv"):
        environments.check_venv_module()


def test_the_key_names_lock_and_optimisation(tmp_path: Path) -> None:
    lock = tmp_path / "x.txt"
    lock.write_text("a==1")
    first = environment_key(lock, optimised=False)
    assert first != environment_key(lock, optimised=True)
    lock.write_text("a==2")
    assert first != environment_key(lock, optimised=False)
    assert first.startswith(".".join(str(part) for part in sys.version_info[:3]))


def test_a_missing_lock_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match=r"incomplete: .*x\.txt"):
        environment_key(tmp_path / "x.txt", optimised=False)


@pytest.mark.slow
def test_an_environment_is_made_once_and_again_when_the_lock_changes(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "with spaces" / "Python", tmp_path / "venv")
    lock, log = tmp_path / "lock.txt", tmp_path / "install.log"
    lock.write_text("# nothing\n")
    first = ensure_environment(shelf, lock, log=log, cache=tmp_path / "cache", environ=OFFLINE)
    made = python_in(shelf.path(first)).lstat().st_ctime_ns
    assert ensure_environment(shelf, lock, log=log, cache=tmp_path / "cache", environ=OFFLINE) == first
    assert python_in(shelf.path(first)).lstat().st_ctime_ns == made
    lock.write_text("# nothing else\n")
    assert ensure_environment(shelf, lock, log=log, cache=tmp_path / "cache", environ=OFFLINE) != first


@pytest.mark.slow
def test_no_network_is_one_sentence_and_leaves_no_half_environment(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "Python", tmp_path / "venv")
    lock, log = tmp_path / "lock.txt", tmp_path / "install.log"
    lock.write_text(f"aiohttp==3.14.5 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(CannotGoOn, match="no network") as refused:
        ensure_environment(shelf, lock, log=log, cache=tmp_path / "cache", environ=OFFLINE)
    assert refused.value.log == log
    assert list(shelf.folder.iterdir()) == []


def toy_package(folder: Path) -> str:
    """A wheel that pip can install from ``folder``; gives its SHA-256."""
    wheel = folder / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy.py", "")
        archive.writestr("toy-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
        archive.writestr("toy-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("toy-1.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("line", ["toy==1", f"toy==1 --hash=sha256:{'0' * 64}"])
def test_rejects_a_package_without_its_locked_hash(tmp_path: Path, line: str) -> None:
    toy_package(tmp_path)
    shelf = Shelf(tmp_path / "Python", tmp_path / "venv")
    lock = tmp_path / "lock.txt"
    lock.write_text(line + "\n")
    environ = {**OFFLINE, "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(CannotGoOn, match="hash"):
        ensure_environment(shelf, lock, log=tmp_path / "log", cache=tmp_path / "cache", environ=environ)
    assert list(shelf.folder.iterdir()) == []


@pytest.mark.slow
def test_a_locked_package_is_there_and_compiled_as_it_will_run(tmp_path: Path) -> None:
    digest = toy_package(tmp_path)
    shelf = Shelf(tmp_path / "Python", tmp_path / "venv")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"toy==1 --hash=sha256:{digest}\n")
    environ = {**OFFLINE, "PIP_FIND_LINKS": str(tmp_path)}
    key = ensure_environment(
        shelf, lock, log=tmp_path / "log", cache=tmp_path / "cache", optimised=True, environ=environ
    )
    assert [path.name for path in shelf.path(key).rglob("toy.cpython-*.opt-2.pyc")]
