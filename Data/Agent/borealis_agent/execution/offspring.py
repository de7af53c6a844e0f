"""The processes of a run: finding them all, ending them, and collecting those that became ours. Linux.

The agent is a "subreaper": an orphan below it becomes its child, not that of process 1, so whatever a script starts
stays below the agent. ``mark`` tells whose it is. Where marks do not work, session, ancestry and the environment do.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.execution import mark

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

_PR_SET_CHILD_SUBREAPER: Final = 36
_PROC: Final = Path("/proc")
KILL_PASSES: Final = 200
NO_LEADER: Final = -1
_PASS_SECONDS: Final = 0.01
UNOWNED_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What tells the processes of one run from others. ``mark`` is 0 where marks do not work."""

    run_id: str
    leader: int
    mark: int


def become_subreaper() -> bool:
    """Orphans below us become our children from now on; false where the system cannot do that."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def children_of(pid: int) -> list[int]:
    """The direct children of a process, by the kernel's own list; empty where it keeps none or the process is gone."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # names are enough, and this is the hot path
    except OSError:
        return found
    for task in tasks:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
            found.extend(int(word) for word in file.read().split())
    return found


def members(run: RunIdentity) -> list[int]:
    """Every living process of a run, by a look at all processes."""
    pids = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    if run.mark:
        return [pid for pid in pids if mark.mark_of(pid) == run.mark and not is_zombie(pid)]
    return _members_without_mark(run, pids)


def _members_without_mark(run: RunIdentity, pids: Iterable[int]) -> list[int]:
    needle = f"BOREALIS_RUN_ID={run.run_id}\0".encode()
    parents: dict[int, int] = {}
    carrying: set[int] = set()
    for pid in pids:
        fields = _stat(pid)
        if fields is None or fields[0] == "Z":
            continue
        parents[pid] = int(fields[1])
        if int(fields[3]) == run.leader or needle in _environment(pid):
            carrying.add(pid)
    # A script may have been what started this agent: neither it nor what it is below is the run's.
    above, pid = set(), os.getpid()
    while pid and pid not in above:
        above.add(pid)
        pid = parents.get(pid, 0)
    found = carrying - above
    while below := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= below - above
    return sorted(found)


def left_behind(run: RunIdentity, pipes: frozenset[str]) -> list[int]:
    """What a script that has ended by itself left in its own session or on its output (see the room's docstring).

    Args:
        pipes: ``pipe:[inode]`` of its two outputs.
    """
    if run.mark and not [pid for pid in children_of(os.getpid()) if mark.mark_of(pid) == run.mark]:
        return []  # the usual case: everything it started would be our child by now
    return [pid for pid in members(run) if _session(pid) == run.leader or holds(pid, pipes)]


def parents_first(pids: Iterable[int]) -> list[int]:
    """The same processes, each after the one that started it, as far as that is among them.

    A shell whose command is killed goes on with its next one; so it hears of the end before its command does.
    """
    parents = {pid: int(fields[1]) for pid in pids if (fields := _stat(pid)) is not None}
    ordered: dict[int, None] = {}
    for each in sorted(parents):
        line: list[int] = []
        above = each
        while above in parents and above not in ordered and above not in line:
            line.append(above)
            above = parents[above]
        ordered.update(dict.fromkeys(reversed(line)))
    return list(ordered)


def holds(pid: int, pipes: frozenset[str]) -> bool:
    """Whether a process has one of these pipes open."""
    try:
        for path in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(path.readlink()) in pipes:
                    return True
    except OSError:
        pass
    return False


def send(pid: int, number: int, run: RunIdentity) -> None:
    """Signal a process of a run, and no other that got its number meanwhile."""
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        return
    except OSError:
        handle = -1
    try:
        if handle >= 0:
            if not run.mark or mark.mark_of(pid) == run.mark:
                signal.pidfd_send_signal(handle, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        if handle >= 0:
            os.close(handle)


async def end_all(run: RunIdentity, *, grace: float) -> set[int]:
    """End every process of a run: ask, wait up to ``grace`` seconds, then kill until none is left; gives their pids."""
    asked = members(run)
    for pid in parents_first(asked):
        send(pid, signal.SIGTERM, run)
        send(pid, signal.SIGCONT, run)  # one that is stopped would not hear it
    waited, pause = 0.0, _PASS_SECONDS
    while waited < grace and members(run):
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(0.2, pause * 1.5)  # a look at all processes costs some milliseconds
    return {*asked, *await _kill_all(run)}


async def _kill_all(run: RunIdentity) -> set[int]:
    """Kill until a look finds nothing: they may go on forking meanwhile."""
    killed: set[int] = set()
    for _ in range(KILL_PASSES):
        alive = members(run)
        if not alive:
            return killed
        kill(run, alive)
        killed.update(alive)
        await asyncio.sleep(_PASS_SECONDS)
    log.error("processes of run %s do not end: %s", run.run_id, members(run))
    return killed


def kill(run: RunIdentity, pids: Iterable[int]) -> None:
    """Kill processes of a run."""
    for pid in parents_first(pids):
        send(pid, signal.SIGKILL, run)


class Orphans:
    """Collects processes that became our children and have ended, so that none stays a zombie."""

    def __init__(self) -> None:
        self.leaders: set[int] = set()
        """Scripts that are waited for by name; never collected here."""
        self._unowned: dict[int, float] = {}

    def collect(self, pids: Iterable[int]) -> None:
        """Collect processes of a run that has been ended, as far as they became our children."""
        for pid in pids:
            if pid not in self.leaders and is_zombie(pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def sweep(self, now: float) -> int:
        """Collect what has ended; gives how many living processes of earlier runs are still our children.

        A zombie without a mark may be somebody else's to wait for, so it is given a minute of ``now`` (seconds).
        """
        alive, seen = 0, {}
        for pid in children_of(os.getpid()):
            if pid in self.leaders:
                continue
            marked, zombie = bool(mark.mark_of(pid)), is_zombie(pid)
            if not zombie:
                alive += marked
            elif marked or now - self._unowned.get(pid, now) >= UNOWNED_SECONDS:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            else:
                seen[pid] = self._unowned.get(pid, now)
        self._unowned = seen
        return alive


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, or is gone."""
    fields = _stat(pid)
    return fields is None or fields[0] in {"Z", "X"}


def _stat(pid: int) -> list[str] | None:
    """State, parent, group, session …: what follows the name in ``/proc/<pid>/stat``."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def _session(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def _environment(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""
