"""Versions appear whole or not at all, and the pointer always leads to a whole one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_bootstrap.shelf import MARKER, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "Code", tmp_path / "Code" / "current")


def fill(folder: Path) -> None:
    (folder / "file").write_text(folder.name)


def test_a_version_is_built_pointed_to_and_read(shelf: Shelf) -> None:
    assert shelf.current() == ""
    shelf.build("one", fill)
    shelf.point("one")
    assert shelf.current() == "one"
    assert (shelf.pointer / "file").read_text() == "one"
    shelf.build("two", fill)
    assert shelf.current() == "one"
    shelf.point("two")
    assert (shelf.pointer / "file").read_text() == "two"


def test_survives_a_build_that_fails_with_what_was_there(shelf: Shelf) -> None:
    shelf.build("one", fill)
    shelf.point("one")

    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        shelf.build("two", fail)
    assert not shelf.path("two").exists()
    assert (shelf.pointer / "file").read_text() == "one"


def test_survives_being_killed_in_the_middle_of_a_build(shelf: Shelf) -> None:
    shelf.build("one", fill)
    shelf.point("one")
    code = (
        "import os, signal, sys; from pathlib import Path; from borealis_bootstrap.shelf import Shelf\n"
        "def fill(folder):\n"
        "    (folder / 'file').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Shelf(Path(sys.argv[1]), Path(sys.argv[1]) / 'current').build('two', fill)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shelf.folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert shelf.path("two").exists()
    assert not shelf.is_complete("two")
    assert (shelf.pointer / "file").read_text() == "one"
    shelf.build("two", fill)
    assert (shelf.path("two") / "file").read_text() == "two"


def test_pruning_keeps_what_is_named_and_what_is_in_use(shelf: Shelf) -> None:
    for version in ("one", "two", "three"):
        shelf.build(version, fill)
    shelf.point("three")
    shelf.prune({"two"})
    assert sorted(entry.name for entry in shelf.folder.iterdir()) == ["current", "three", "two"]


def test_rejects_to_replace_a_folder_that_is_not_our_pointer(shelf: Shelf) -> None:
    shelf.build("one", fill)
    shelf.pointer.mkdir()
    (shelf.pointer / "precious").touch()
    with pytest.raises(OSError):
        shelf.point("one")
    assert (shelf.pointer / "precious").exists()


def test_a_marker_alone_makes_a_version_complete(shelf: Shelf) -> None:
    shelf.path("one").mkdir(parents=True)
    assert not shelf.is_complete("one")
    (shelf.path("one") / MARKER).touch()
    assert shelf.is_complete("one")
