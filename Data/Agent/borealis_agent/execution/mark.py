"""A mark that every process of a run carries, whatever it does: new sessions, new parents, emptied environments.

Linux has a resource limit that no kernel since 2.4 looks at, ``RLIMIT_LOCKS``. It is inherited by every child and kept
over ``exec``, shows in ``/proc/<pid>/limits``, and changing it changes nothing else. The agent sets it on itself for
the moment in which it starts a script; from then on the script's whole offspring can be told from all other
processes. A script that lowers it on purpose hides its processes; orders are signed, so that is its author's wish.
"""

import contextlib
import itertools
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

_RLIMIT_LOCKS: Final = 10
_FIRST: Final = 1 << 40
_LINE: Final = b"Max file locks"
_numbers = itertools.count(_FIRST + (secrets.randbits(40) << 20))
"""From a number of its own on: what another agent of this machine started must never be taken for ours and ended."""


def new_mark() -> int:
    """A mark that no other run has, of this agent or another one on the machine."""
    return next(_numbers)


def is_mark(value: int) -> bool:
    """Whether it is the mark of some run."""
    return value >= _FIRST


@contextlib.contextmanager
def marking(mark: int) -> Iterator[bool]:
    """Children that are started meanwhile carry ``mark``; false where the system does not allow that."""
    try:
        import resource

        before = resource.getrlimit(_RLIMIT_LOCKS)
        resource.setrlimit(_RLIMIT_LOCKS, (mark, before[1]))
    except (ImportError, ValueError, OSError):
        yield False
        return
    try:
        yield True
    finally:
        resource.setrlimit(_RLIMIT_LOCKS, before)


def mark_of(pid: int, proc: Path = Path("/proc")) -> int:
    """The mark of a process; 0 where it has none, is gone, or cannot be asked."""
    try:
        with (proc / str(pid) / "limits").open("rb") as file:
            text = file.read(4096)
    except OSError:
        return 0
    start = text.find(_LINE)
    if start < 0:
        return 0
    word = text[start + len(_LINE) :].split(None, 1)[0]
    value = int(word) if word.isdigit() else 0
    return value if is_mark(value) else 0
