"""Tells the processes that an agent started for itself from those of an earlier life of it. Linux; elsewhere nothing.

Runs are known by their journal (``execution``). What takes pictures, what looks at the machine and what a role started
on its own is in no journal: each inherits a variable of the environment that names the agent, the session it ran in
and the life. After a ``kill -9`` the next life ends what carries the label of an earlier one and is still in that
session. A process that made a session of its own has left on purpose, as a daemon does, and is let go.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final

from borealis_agent.platform.label import VARIABLE

_PASSES: Final = 100
_PASS_SECONDS: Final = 0.02
_MAX_ENVIRONMENT: Final = 256 * 1024

log = logging.getLogger(__name__)


def label_children(home: Path, environ: MutableMapping[str, str]) -> str:
    """Label what is started from now on; gives the label. ``home``: a folder that this agent shares with no other."""
    if sys.platform != "linux":
        return ""
    environ[VARIABLE] = label = f"{_name_of(home)}.{os.getsid(0)}.{secrets.token_hex(8)}"
    return label


async def end_earlier(home: Path, label: str) -> int:
    """End what earlier lives of the agent at ``home`` left, this one's ``label`` excepted; gives how many."""
    if sys.platform != "linux" or not label:
        return 0
    ended: set[int] = set()
    for _ in range(_PASSES):
        found = list(_earlier(_name_of(home), label))
        if not found:
            break
        for pid in found:
            _kill(pid, _name_of(home), label)
        ended.update(found)
        await asyncio.sleep(_PASS_SECONDS)
    else:
        log.error("processes of an earlier life of this agent do not end: %s", sorted(found))
    return len(ended)


def _kill(pid: int, name: str, label: str) -> None:
    """Kill it, and no other process that got its number meanwhile."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _is_earlier(Path("/proc") / str(pid), name, label):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _name_of(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def _earlier(name: str, label: str, proc: Path = Path("/proc")) -> Iterator[int]:
    above = _above(proc)
    for folder in proc.iterdir():
        if not folder.name.isdigit() or int(folder.name) in above:
            continue
        if _is_earlier(folder, name, label):
            yield int(folder.name)


def _is_earlier(folder: Path, name: str, label: str) -> bool:
    found = _label_of(folder)
    parts = found.split(".")
    return len(parts) == 3 and parts[0] == name and found != label and _field(folder, 3) == parts[1]


def _above(proc: Path) -> set[int]:
    """This process and those above it: what started this agent may carry a label too, and is not the earlier life's."""
    found, pid = set[int](), os.getpid()
    while pid and pid not in found:
        found.add(pid)
        pid = int(_field(proc / str(pid), 1) or 0)
    return found


def _label_of(folder: Path) -> str:
    try:
        with (folder / "environ").open("rb") as file:
            text = file.read(_MAX_ENVIRONMENT)
    except OSError:  # it ended, or is not ours to read
        return ""
    _, there, rest = (b"\0" + text).partition(f"\0{VARIABLE}=".encode())
    return rest.partition(b"\0")[0].decode("ascii", "replace") if there else ""


def _field(folder: Path, number: int) -> str:
    """A field of ``/proc/<pid>/stat`` after the name: 1 its parent, 3 its session. Empty where it has ended."""
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[number]
