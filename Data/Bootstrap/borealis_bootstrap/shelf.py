"""Versions of one thing side by side, and a pointer to the one in use.

A version is complete once its marker is there, and the pointer moves in one step: whoever is interrupted at any
instruction leaves the version before in use. Owns the folder it is given. May be called by staging, environments
and page.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_base.files import sync_folder, write_atomic
from borealis_bootstrap.layout import Runtime

MARKER: Final = ".complete"
CURRENT: Final = "current"


@dataclass(frozen=True, slots=True)
class Shelf:
    """``folder`` holds the versions; ``pointer`` is a link to one of them (a text file where links do not work)."""

    folder: Path
    pointer: Path

    def path(self, version: str) -> Path:
        """Where ``version`` lies, or would lie."""
        return self.folder / version

    def is_complete(self, version: str) -> bool:
        """Whether ``version`` was built to its end."""
        return (self.path(version) / MARKER).is_file()

    def build(self, version: str, fill: Callable[[Path], None]) -> Path:
        """Make ``version`` in its final place, anew if there is half of one, and mark it complete at the end.

        Raises:
            OSError: disk full, read-only, no right. What was in use stays in use.
        """
        path = self.path(version)
        discard(path)
        path.mkdir(parents=True)
        try:
            fill(path)
            write_atomic(path / MARKER, version.encode() + b"\n", mode=0o644)
        except BaseException:
            discard(path)
            raise
        return path

    def current(self) -> str:
        """The version in use; empty where there is none."""
        with contextlib.suppress(OSError):
            return self.pointer.readlink().name
        with contextlib.suppress(OSError):
            return self._pointer_file.read_text(encoding="utf-8").strip()
        return ""

    def point(self, version: str) -> None:
        """Put ``version`` into use, in one step.

        Raises:
            OSError: no right, or something that is not ours stands in the pointer's place.
        """
        if self.current() == version:
            return
        if sys.platform == "win32":  # links need a right there that few accounts have
            write_atomic(self._pointer_file, version.encode() + b"\n", mode=0o644)
            return
        fresh = self.pointer.with_name(f".{self.pointer.name}.{os.getpid()}.new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(os.path.relpath(self.path(version), self.pointer.parent))
        fresh.replace(self.pointer)
        sync_folder(self.pointer.parent)

    def prune(self, keep: Collection[str]) -> None:
        """Delete every version but those in ``keep`` and the one in use."""
        kept = {*keep, self.current()}
        with contextlib.suppress(FileNotFoundError):
            for entry in self.folder.iterdir():
                if entry.name not in kept and entry.is_dir() and not entry.is_symlink():
                    discard(entry)

    @property
    def _pointer_file(self) -> Path:
        return self.pointer.with_name(self.pointer.name + ".version")


def code_shelf(runtime: Runtime) -> Shelf:
    """The staged versions of one program."""
    return Shelf(runtime.code, runtime.code / CURRENT)


def environment_shelf(runtime: Runtime) -> Shelf:
    """The Python environments of one program."""
    return Shelf(runtime.environments, runtime.venv)


def discard(path: Path) -> None:
    """Delete a version; its marker first, so that a deletion cut short does not look complete.

    Raises:
        OSError: no right.
    """
    with contextlib.suppress(FileNotFoundError):
        (path / MARKER).unlink()
    if path.is_dir() and not path.is_symlink():
        import shutil  # what the agent is started by need not load it each time

        shutil.rmtree(path)
