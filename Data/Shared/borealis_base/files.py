"""Files that are whole or absent: atomic writes, private modes, and a lock between processes."""

import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PATIENCE_SECONDS: Final = 2.0
"""How long another program may have a file open on Windows before replacing it is given up."""


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` as a whole, durably: temporary file, fsync, rename, fsync of the folder.

    Several threads and processes may write the same path: the last one wins, with its whole content.

    Raises:
        OSError: disk full, read-only, no right. The old file is then untouched; only where the very last step, the
            folder's fsync, failed is the new one in place, and a power cut may bring the old one back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.tmp")
    try:
        with os.fdopen(_create(temporary, mode), "wb") as file:
            if sys.platform != "win32":
                os.fchmod(file.fileno(), mode)  # the umask must not loosen or tighten what was asked for
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _create(temporary: Path, mode: int) -> int:
    """Make the temporary file anew: what a crashed writer or somebody else left under its name is never written to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    if sys.platform == "win32":
        mode |= stat.S_IWRITE  # without it a file could never be replaced there; who may write is up to the folder
    return os.open(temporary, flags, mode)


def replace_file(source: Path, target: Path) -> None:
    """Put ``source`` in the place of ``target``, at once.

    Windows refuses that while anybody has either open, as another reader or a virus scanner has for moments: there it
    is tried again for two seconds, in which the calling thread waits.

    Raises:
        OSError: no right, or open for longer; both are then as they were.
    """
    if sys.platform != "win32":
        source.replace(target)
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if time.monotonic() >= deadline or not source.exists():
                raise
            time.sleep(0.01)
        else:
            return


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in ``folder`` survive a power cut (POSIX only)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> Path:
    """Make ``path`` a folder that only its owner enters (0700), parents as they are."""
    path.mkdir(parents=True, exist_ok=True)
    if sys.platform != "win32":
        path.chmod(0o700)
    return path


def move_aside(path: Path, now: float) -> Path:
    """Rename a torn or foreign file to ``<name>.bad-<unix seconds>``, or that with a count; give the new path."""
    target = path.with_name(f"{path.name}.bad-{int(now)}")
    count = 1
    while target.exists():
        target = path.with_name(f"{path.name}.bad-{int(now)}.{count}")
        count += 1
    replace_file(path, target)
    return target


@contextlib.contextmanager
def exclusive_lock(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold a lock file against other processes; released by the system if we die.

    Blocks the calling thread in steps of 50 ms; call it in a worker thread from async code.

    Raises:
        TimeoutError: another process held it for ``timeout`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{path.name} is held by another process")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
