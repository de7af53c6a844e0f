"""A script that runs, as ``executor`` sees it on every system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

GRACE_SECONDS = 2.0
"""Between asking processes to end and killing them."""


@dataclass(frozen=True, slots=True)
class StartOrder:
    """What to start: the whole command, its environment and folder. ``umask`` is POSIX's."""

    run_id: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    umask: int = 0o022


class OutputPipe(Protocol):
    """The end of a pipe that the script writes to."""

    async def read(self) -> bytes:
        """The next bytes; empty when nobody holds the other end any more."""

    def close(self) -> None:
        """Read no more."""


class RunningScript(Protocol):
    """A script that was started, with everything it starts."""

    @property
    def stdout(self) -> OutputPipe:
        """Its output."""

    @property
    def stderr(self) -> OutputPipe:
        """Its errors."""

    async def wait(self) -> int:
        """Its exit code; 128 + n where signal n ended it."""

    async def end_all(self) -> None:
        """End everything it started, wherever that hides. Returns when nothing is left."""

    async def end_left_behind(self) -> None:
        """It ended by itself: end what it left on its output and in its session."""

    def close(self) -> None:
        """Give back what belongs to it."""


class Starter(Protocol):
    """Starts scripts on this system."""

    async def start(self, order: StartOrder) -> RunningScript:
        """Start one.

        Raises:
            OSError: the interpreter cannot be started.
        """

    async def end_remains(self, run_id: str) -> None:
        """End what a run left that was begun in an earlier life of the agent."""

    async def watch(self) -> None:
        """Collect what earlier scripts left to us; runs as long as the agent."""
