"""Linux and other POSIX systems: figures from ``/proc``, None where that is not there."""

import os
import pwd
import sys
import time
from pathlib import Path

assert sys.platform != "win32"

_PROC = Path("/proc")


def is_privileged() -> bool:
    """Whether we are root."""
    return os.geteuid() == 0


def current_user() -> str:
    """The name of the account we run as; its number where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def active_user(seat: Path = Path("/run/systemd/seats/seat0")) -> str:
    """Who sits at the machine's own screen, as logind says; empty where nobody does or nothing says."""
    try:
        lines = seat.read_text("utf-8", errors="replace").splitlines()
        uid = next(int(line.removeprefix("ACTIVE_UID=")) for line in lines if line.startswith("ACTIVE_UID="))
        return pwd.getpwuid(uid).pw_name
    except (OSError, ValueError, KeyError, StopIteration, OverflowError):
        return ""


def uptime_seconds() -> float | None:
    """Seconds since the machine started."""
    try:
        return float((_PROC / "uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None


def operating_system() -> str:
    """What the system calls itself, such as ``Debian GNU/Linux 12 (bookworm)``."""
    for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        try:
            lines = path.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition("=")
            if name == "PRETTY_NAME":
                return value.strip().strip("\"'")[:256]
    names = os.uname()
    return f"{names.sysname} {names.release}"


def memory_percent() -> float | None:
    """How much of the memory is in use, 0 to 100."""
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
        figures = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest}
        return round(100.0 * (1 - figures["MemAvailable"] / figures["MemTotal"]), 1)
    except (OSError, ValueError, IndexError, KeyError, ZeroDivisionError):
        return None


def own_memory() -> int | None:
    """Resident bytes of this process."""
    try:
        return int((_PROC / "self" / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def process_exists(pid: int) -> bool:
    """Whether a process has this number, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class CpuMeter:
    """Load of all processors between two calls."""

    def __init__(self) -> None:
        self._last = _cpu_times()

    def percent(self) -> float | None:
        """How busy the processors were since the last call, 0 to 100; None where that cannot be told."""
        before, self._last = self._last, _cpu_times()
        if before is None or self._last is None:
            return None
        total = self._last[0] - before[0]
        idle = self._last[1] - before[1]
        return round(min(100.0, max(0.0, 100.0 * (1 - idle / total))), 1) if total > 0 else None


def _cpu_times() -> tuple[int, int] | None:
    try:
        with (_PROC / "stat").open() as file:
            figures = [int(text) for text in file.readline().split()[1:9]]  # guest times are in user's already
        return sum(figures), figures[3] + figures[4]
    except (OSError, ValueError, IndexError):
        return None
