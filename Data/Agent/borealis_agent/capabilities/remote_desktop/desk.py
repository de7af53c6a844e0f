"""One machine's remote desktop, whichever system it is: looked at, prepared, undone. One order at a time."""

import asyncio
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from borealis_agent.capabilities.remote_desktop.changes import CannotPrepare, ChangeLog
from borealis_agent.capabilities.remote_desktop.report import Report
from borealis_agent.capabilities.remote_desktop.running import Run, run_program

PACKAGE_SECONDS: Final = 1200.0
CHANGES_FILE: Final = "changes.json"
Say = Callable[[str], None]

__all__ = ["CannotPrepare", "Desk", "desk_here"]


class Looker(Protocol):
    """Looks at one machine."""

    async def __call__(self) -> Report:
        """What is there."""


class Changer(Protocol):
    """What changes a machine of one system."""

    async def prepare(self, *, open_network: bool) -> None:
        """Make it ready. Raises ``CannotPrepare``, ``OSError``, ``TimeoutError``."""

    async def undo(self) -> list[str]:
        """Take every change back; gives what has to stay."""

    async def recover(self) -> None:
        """Take back what an agent that was ended left half-way."""


class Desk:
    """Give it the parts of one system; ``desk_here`` does."""

    def __init__(self, *, look: Looker, changer: Callable[[ChangeLog, Say], Changer] | None, record: Path) -> None:
        self._look = look
        self._changer = changer
        self._record = record
        self._busy = asyncio.Lock()

    async def look(self) -> Report:
        """What is there now, with what we changed."""
        report = await self._look()
        return replace(report, changes=tuple(change.what for change in ChangeLog(self._record)))

    async def prepare(self, *, open_network: bool, say: Say) -> Report:
        """Make it ready, step by step on record.

        Raises:
            CannotPrepare: a step failed; what was made until then is on record.
        """
        async with self._busy:
            before = await self.look()
            if self._changer is None or before.cannot_prepare:
                raise CannotPrepare(before.cannot_prepare or "this system has no remote desktop that we know")
            try:
                await self._changer(ChangeLog(self._record), say).prepare(open_network=open_network)
            except (OSError, TimeoutError) as error:
                raise CannotPrepare(str(error) or type(error).__name__) from error
            return await self.look()

    async def undo(self, *, say: Say) -> list[str]:
        """Restore what was; gives a sentence for each change that has to stay."""
        async with self._busy:
            changes = ChangeLog(self._record)
            if self._changer is None or not len(changes):
                say("nothing was changed here, so there is nothing to undo")
                return []
            return await self._changer(changes, say).undo()

    async def recover(self, say: Say) -> None:
        """Once at start: take back what was only meant to stand while a package was installed. Orders wait."""
        async with self._busy:
            if self._changer is not None and self._record.exists():
                await self._changer(ChangeLog(self._record), say).recover()


if sys.platform == "win32":

    def _desk_of_windows(run: Run, record: Path) -> Desk:
        from borealis_agent.capabilities.remote_desktop.windows import WindowsDesktop, look_windows
        from borealis_agent.capabilities.remote_desktop.windows_registry import LocalMachine
        from borealis_agent.platform.machine import is_privileged

        registry = LocalMachine()

        async def look() -> Report:
            return await look_windows(registry, run, privileged=is_privileged())

        return Desk(
            look=look,
            changer=lambda changes, say: WindowsDesktop(registry=registry, run=run, changes=changes, say=say),
            record=record,
        )


def desk_here(folder: Path) -> Desk:
    """The desk of this machine; its record is kept in ``folder``."""
    run: Run = functools.partial(run_program, seconds=PACKAGE_SECONDS)
    record = folder / CHANGES_FILE
    if sys.platform == "win32":
        return _desk_of_windows(run, record)
    if sys.platform == "linux":
        return desk_of_linux(Path("/"), run, record, privileged=os.geteuid() == 0)
    return _desk_of_others(record)


if sys.platform != "win32":

    def desk_of_linux(root: Path, run: Run, record: Path, *, privileged: bool) -> Desk:
        """The desk of a Linux whose ``/`` is ``root``."""
        from borealis_agent.capabilities.remote_desktop.linux import look_linux
        from borealis_agent.capabilities.remote_desktop.linux_changes import LinuxDesktop

        async def look() -> Report:
            return await asyncio.to_thread(look_linux, root, privileged=privileged)

        return Desk(
            look=look,
            changer=lambda changes, say: LinuxDesktop(root=root, run=run, changes=changes, say=say),
            record=record,
        )


def _desk_of_others(record: Path) -> Desk:
    async def look() -> Report:
        cannot = "this agent knows remote desktop on Linux and Windows alone"
        return Report(system="other", problems=(cannot,), cannot_prepare=cannot)

    return Desk(look=look, changer=None, record=record)
