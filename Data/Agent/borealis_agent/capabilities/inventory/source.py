"""The machine as the collectors see it: files below a root, and the few things that are not files.

Every look at the machine goes through here, so that a test shows a collector any machine it likes.
"""

import os
import stat
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from borealis_agent.platform.label import own_label

Runner = Callable[[Sequence[str], float], bytes]
"""``run(command, seconds)`` gives standard output, cut to ``COMMAND_OUTPUT_BYTES``; raises ``OSError``."""

SMALL: Final = 64 * 1024
LARGE: Final = 32 * 1024 * 1024
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_PIECE: Final = 1024 * 1024
MAX_NAMES: Final = 100_000
COMMAND_OUTPUT_BYTES: Final = 16 * 1024 * 1024
SAFE_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


class Space(NamedTuple):
    """Bytes and inodes of one file system. ``free`` is what an ordinary user may still fill."""

    total: int
    free: int
    used: int
    files: int
    files_free: int


class Source:
    """A machine to look at.

    Nothing here raises for what is missing, unreadable or torn: a collector gets the empty value and goes on.

    Args:
        root: where the machine's ``/`` is; a test gives a folder.
        run: starts a process; a test gives a stand-in.
        space: sizes of the file system below a mount point; raises ``OSError``.
        addresses: the kernel's answer to RTM_GETADDR (see ``netlink``); raises ``OSError``.
        now: Unix seconds.
    """

    def __init__(
        self,
        root: str = "/",
        *,
        run: Runner | None = None,
        space: Callable[[str], Space] | None = None,
        addresses: Callable[[], bytes] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._root = root.rstrip("/")
        self.run: Runner = run or run_command
        self._space = space or file_system_space
        self._addresses = addresses
        self.now = now
        self.cut: list[str] = []
        """Files that were larger than we read."""

    def path(self, path: str) -> str:
        """Where ``path`` of the machine really lies."""
        return self._root + path

    def read(self, path: str, limit: int = SMALL) -> bytes:
        """The file's first ``limit`` bytes, or nothing."""
        try:
            # Non-blocking: a named pipe in the place of a file must not hold us for ever.
            descriptor = os.open(self._root + path, _READ)
        except (OSError, ValueError):
            return b""
        try:
            pieces: list[bytes] = []
            size = 0
            while size <= limit:
                # /proc gives a page at a time, however much we ask for: only an empty piece is the end.
                piece = os.read(descriptor, min(limit + 1 - size, _PIECE))
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
                size += len(piece)
        except OSError:
            return b""
        finally:
            os.close(descriptor)
        self.cut.append(path)
        return b"".join(pieces)[:limit]

    def text(self, path: str, limit: int = SMALL) -> str:
        """The file as UTF-8, wrong bytes replaced."""
        return self.read(path, limit).decode("utf-8", "replace")

    def line(self, path: str) -> str:
        """The file without NUL bytes and white space around it: the form of most of /sys."""
        return self.read(path).replace(b"\0", b"").decode("utf-8", "replace").strip()

    def number(self, path: str, base: int = 10) -> int | None:
        """The file as one whole number."""
        return whole(self.line(path), base)

    def names(self, path: str) -> list[str]:
        """Names in a folder, sorted."""
        try:
            return sorted(os.listdir(self._root + path))[:MAX_NAMES]  # noqa: PTH208  (pathlib costs the child 5 ms)
        except OSError:
            return []

    def numbered(self, path: str, prefix: str) -> list[str]:
        """Names ``<prefix><number>`` in a folder, by number."""
        found = [name for name in self.names(path) if name.startswith(prefix) and name[len(prefix) :].isdecimal()]
        return sorted(found, key=lambda name: int(name[len(prefix) :]))

    def link(self, path: str) -> str:
        """The target's text of a symbolic link."""
        try:
            return os.readlink(self._root + path)  # noqa: PTH115
        except (OSError, ValueError):
            return ""

    def link_name(self, path: str) -> str:
        """The last part of a symbolic link's target: /sys names drivers and slaves so."""
        return self.link(path).rsplit("/", 1)[-1]

    def exists(self, path: str) -> bool:
        """Whether there is something."""
        return os.path.exists(self._root + path)  # noqa: PTH110

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        return os.path.isdir(self._root + path)  # noqa: PTH112

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file; follows links."""
        try:
            return stat.S_ISREG(os.stat(self._root + path).st_mode)  # noqa: PTH116
        except (OSError, ValueError):
            return False

    def modified(self, path: str) -> float | None:
        """Unix seconds of the last change."""
        try:
            return os.stat(self._root + path).st_mtime  # noqa: PTH116
        except (OSError, ValueError):
            return None

    def modified_names(self, path: str, suffix: str) -> dict[str, float]:
        """Names in a folder that end in ``suffix``, with their Unix seconds of last change."""
        found: dict[str, float] = {}
        try:
            with os.scandir(self._root + path) as entries:
                for entry in entries:
                    if entry.name.endswith(suffix) and len(found) < MAX_NAMES:
                        found[entry.name] = entry.stat().st_mtime
        except OSError:
            pass
        return found

    def space(self, mount_point: str) -> Space | None:
        """Sizes of a file system, or None where the system would not say."""
        try:
            return self._space(self._root + mount_point)
        except (OSError, ValueError):
            return None

    def addresses(self) -> bytes:
        """The kernel's addresses as netlink gives them, or nothing."""
        from borealis_agent.capabilities.inventory import netlink

        try:
            return (self._addresses or netlink.ask_addresses)()
        except OSError:
            return b""


def whole(text: str, base: int = 10) -> int | None:
    """``text`` as a whole number, else None. Longer than 20 characters is none of ours."""
    if len(text) > 20:
        return None
    try:
        return int(text, base)
    except ValueError:
        return None


def file_system_space(mount_point: str) -> Space:
    """Ask the system. Never call it for a network mount: it may not come back.

    Raises:
        OSError: no such folder, no right.
    """
    if not hasattr(os, "statvfs"):
        raise OSError("no statvfs here")
    found = os.statvfs(mount_point)
    block = found.f_frsize or found.f_bsize
    used = (found.f_blocks - found.f_bfree) * block
    return Space(found.f_blocks * block, found.f_bavail * block, used, found.f_files, found.f_ffree)


def run_command(command: Sequence[str], timeout: float) -> bytes:
    """Run a program of the system with a fixed PATH and the C locale, and give its output.

    Raises:
        OSError: not there, failed, or too slow.
    """
    import subprocess

    environment = {"PATH": SAFE_PATH, "LC_ALL": "C.UTF-8", "HOME": "/"} | own_label()
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise OSError(str(error)) from error
    return done.stdout[:COMMAND_OUTPUT_BYTES]
