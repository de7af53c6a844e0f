"""Who runs: pids that are never mistaken for another process that got the same number later.

An identity is a pid, the moment it started, and the boot it belongs to. Owns nothing. May be called by supervision
and status.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, this one and no other."""

    pid: int
    start: str
    boot: str


def parse_identity(text: str) -> Identity | None:
    """Read ``pid start boot`` as ``supervise.sh`` writes it; None where it is something else."""
    words = text.split()
    if len(words) != 3 or not words[0].isdigit() or int(words[0]) <= 1:
        return None
    return Identity(int(words[0]), words[1], words[2])


def read_identity(path: Path) -> Identity | None:
    """The identity in a file; None where there is no such file or it is torn."""
    try:
        return parse_identity(path.read_text(encoding="ascii", errors="replace"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def identity_of(pid: int, proc: Path = Path("/proc")) -> Identity | None:
    """Who has ``pid`` now; None where nobody has, or only a zombie that nobody collected."""
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        if proc.is_dir() and (proc / "self").exists():
            return None
        return _identity_from_ps(pid)
    return None if fields[0] in {"Z", "X"} else Identity(pid, fields[19], boot)


def _identity_from_ps(pid: int) -> Identity | None:
    """The same without ``/proc`` (macOS)."""
    environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], check=False, capture_output=True, text=True, env=environ
    )
    words = done.stdout.split()
    return Identity(pid, "_".join(words), "-") if words else None


def is_alive(identity: Identity | None) -> bool:
    """Whether exactly this process still runs."""
    return identity is not None and identity_of(identity.pid) == identity


def send(identity: Identity, number: int) -> bool:
    """Signal exactly this process; False where it is gone.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    if not is_alive(identity):
        return False
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(identity: Identity | None, seconds: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until it has ended; False where it still runs after ``seconds``."""
    deadline = time.monotonic() + seconds
    while is_alive(identity):
        if identity is not None:
            with contextlib.suppress(ChildProcessError, OSError):
                os.waitpid(identity.pid, os.WNOHANG)  # it may be our own child: nobody else would collect it
        if time.monotonic() >= deadline:
            return not is_alive(identity)
        sleep(0.02)
    return True


def end(identity: Identity | None, *, seconds: float) -> bool:
    """Ask a process to end and wait; kill it where it does not. False where it had to be killed.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    if identity is None or not send(identity, signal.SIGTERM):
        return True
    if wait_gone(identity, seconds):
        return True
    if sys.platform != "win32":
        send(identity, signal.SIGKILL)
    wait_gone(identity, 5.0)
    return False


def become(command: Sequence[str], environ: Mapping[str, str], *, folder: Path | None = None) -> NoReturn:
    """Go on as another program: Ctrl-C and the exit status are its own.

    Raises:
        OSError: there is no such program.
    """
    sys.stdout.flush()
    if sys.platform == "win32":
        sys.exit(subprocess.run(list(command), check=False, cwd=folder, env=dict(environ)).returncode)
    if folder is not None:
        os.chdir(folder)
    os.execve(command[0], list(command), dict(environ))  # noqa: S606  our own program, and no shell in between
