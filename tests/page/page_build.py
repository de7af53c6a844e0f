"""The page as its developers build it: every tool installed, in a folder that later runs find again.

Folders are named by what they were made from (lock file, source), so that a run changes nothing for another.
"""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.programs.programs import REPOSITORY, base_environment

from borealis_bootstrap.layout import Layout, layout_from
from borealis_bootstrap.page import Node, find_node, lay_out, source_version

KEPT = REPOSITORY / ".borealis" / "page-tests"
SOURCE = REPOSITORY / "Data" / "Engine" / "web-interface"


@dataclass(frozen=True)
class Workplace:
    """A copy of the page's source with its packages."""

    folder: Path
    node: Node

    def start(self, *arguments: str, folder: Path | None = None) -> "Npm":
        """Start npm, here or in another folder."""
        process = subprocess.Popen(
            [*self.node.npm, *arguments],
            cwd=folder or self.folder,
            env={**self.node.environ, "CI": "1", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Npm(" ".join(arguments), process)

    def npm(self, *arguments: str, folder: Path | None = None) -> None:
        """Run npm; fails with what it said."""
        self.start(*arguments, folder=folder).succeeds()


@dataclass
class Npm:
    """An npm that was started."""

    asked: str
    process: subprocess.Popen[str]
    said: str = ""

    def succeeds(self) -> None:
        """Wait for its end; fails with what it said."""
        with self.process:
            self.said = self.process.communicate()[0]
        assert self.process.returncode == 0, f"npm {self.asked}\n{self.said[-8000:]}"

    def end(self) -> None:
        """Nobody waits for it any more."""
        if self.process.poll() is None:
            self.process.kill()
            with self.process:
                self.process.communicate()


def layout() -> Layout:
    """Where the bootstrap keeps its own things for these tests."""
    return layout_from({"BOREALIS_ROOT": str(KEPT)}, checkout=REPOSITORY, here=REPOSITORY)


@contextlib.contextmanager
def workplace() -> Iterator[Workplace]:
    """The source as it is now, with the packages of its lock; for one user at a time."""
    KEPT.mkdir(parents=True, exist_ok=True)
    lock = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    with (KEPT / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        made = layout()
        made.engine.logs.mkdir(parents=True, exist_ok=True)
        place = Workplace(KEPT / "packages" / lock, find_node(made, base_environment()))
        mark = place.folder / "node_modules" / ".complete"
        for old in (KEPT / "packages").glob("*"):
            if old != place.folder:
                shutil.rmtree(old)
        lay_out(SOURCE, place.folder)
        if not mark.exists():
            place.npm("ci", "--no-audit", "--no-fund", "--prefer-offline")
            mark.touch()
        yield place


def built_page() -> Path:
    """The folder of the built page; built once for each state of the source."""
    kept = KEPT / "built" / source_version(SOURCE)
    if (kept / "index.html").exists():
        return kept
    with workplace() as place:
        place.npm("run", "build")
        for old in (KEPT / "built").glob("*"):
            shutil.rmtree(old)
        half = KEPT / "half-copied"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(place.folder / "dist", half)
        kept.parent.mkdir(exist_ok=True)
        half.rename(kept)
    return kept
