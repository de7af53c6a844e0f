"""Paths, followed step by step, and what is at their end. POSIX.

Every step is taken from the folder that is held open, so that nobody can put something else in its place behind us.
Links are followed as the account's rights allow, which the system sees to. Root has no such bounds: for root, a link
that somebody else made is refused, because it may have been laid for exactly this purpose.

All that is imported is so before the process becomes the account, which may not be let near the agent's code.
"""

import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from typing import Final, Self

from borealis_agent.capabilities.files.faults import FileFault
from borealis_wire.files import FileRefusal

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

MOST_LINKS: Final = 40
_STEP: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


class Place:
    """What a path leads to: a name in a folder that is held open. There may be nothing of that name."""

    def __init__(self, folder: int, name: str, shown: str) -> None:
        self._folder = folder
        self._name = name
        self.shown = shown
        """The path as it is without links."""

    @classmethod
    def find(cls, path: str, home: str, *, wary: bool) -> Self:
        """Go to a path.

        Args:
            path: absolute, or from ``home`` on; ``~`` and the empty path are the home itself.
            home: of the account.
            wary: follow no link that another account than root made.

        Raises:
            FileFault: ``unsafe_link``.
            OSError: there is no such way, or no right to go it.
        """
        ahead = _parts(path, home)
        names: list[str] = []
        folder, links = os.open("/", _STEP), 0
        try:
            while ahead:
                step = ahead.pop()
                if step in {"", "."}:
                    continue
                found = _status(folder, step)
                if found is not None and stat.S_ISLNK(found.st_mode):
                    links += 1
                    target = _follow(folder, step, found, links, wary=wary, shown="/".join(["", *names, step]))
                    if target.startswith("/"):
                        names.clear()
                        folder = _swap(folder, os.open("/", _STEP))
                    ahead.extend(reversed(target.split("/")))
                    continue
                if step != ".." and not any(one not in {"", "."} for one in ahead):
                    return cls(folder, step, "/".join(["", *names, step]))
                folder = _swap(folder, os.open(step, _STEP, dir_fd=folder))
                if step == "..":
                    del names[-1:]
                else:
                    names.append(step)
            return cls(folder, ".", "/" + "/".join(names))
        except BaseException:
            os.close(folder)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)

    @property
    def is_named(self) -> bool:
        """It is something in a folder, and not a folder that the path only goes back to."""
        return self._name != "."

    def status(self) -> os.stat_result | None:
        """What is there now; None for nothing. Raises ``OSError``."""
        return _status(self._folder, self._name)

    def open_file(self) -> int:
        """A descriptor to read a plain file from. Raises ``FileFault``, ``OSError``."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        self.check_plain(os.stat(self._name, dir_fd=self._folder, follow_symlinks=False))
        descriptor = os.open(self._name, flags, dir_fd=self._folder)
        try:
            self.check_plain(os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check_plain(self, found: os.stat_result) -> None:
        """Raises ``FileFault`` for what is no plain file."""
        if stat.S_ISDIR(found.st_mode):
            raise FileFault(FileRefusal.IS_FOLDER, f"{self.shown} is a folder.")
        if not stat.S_ISREG(found.st_mode):
            raise FileFault(FileRefusal.NOT_PLAIN, f"{self.shown} is no plain file, but a device, a pipe or the like.")

    def entries(self) -> Iterator[tuple[str, os.stat_result, os.stat_result | None]]:
        """Name, status, and for a link what it leads to, in the order of names. Raises ``OSError``."""
        descriptor = os.open(self._name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._folder)
        try:
            for name in sorted(os.listdir(descriptor)):  # noqa: PTH208
                with contextlib.suppress(OSError):  # it is gone again
                    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    behind = None
                    if stat.S_ISLNK(found.st_mode):
                        with contextlib.suppress(OSError):
                            behind = os.stat(name, dir_fd=descriptor)
                    yield name, found, behind
        finally:
            os.close(descriptor)

    def make_folder(self) -> None:
        """Raises ``OSError``."""
        os.mkdir(self._name, 0o777, dir_fd=self._folder)

    def remove(self) -> None:
        """A file, a link, or a folder that is empty. Raises ``OSError``."""
        found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(self._name, dir_fd=self._folder)
        else:
            os.unlink(self._name, dir_fd=self._folder)

    # --- a file that is not whole yet, beside its place

    def partial_size(self, transfer_id: str) -> int:
        """Bytes that are there of a transfer. Raises ``OSError``."""
        found = _status(self._folder, partial_name(transfer_id))
        return found.st_size if found is not None and _is_ours(found) else 0

    def open_partial(self, transfer_id: str) -> int:
        """A descriptor to write it; nobody else has one as long as it is open. Raises ``FileFault``, ``OSError``."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(partial_name(transfer_id), flags, 0o600, dir_fd=self._folder)
        try:
            if not _is_ours(os.fstat(descriptor)):
                raise FileFault(FileRefusal.NO_RIGHT, f"What there is of {self.shown} was put there by somebody else.")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FileFault(FileRefusal.BUSY, f"{self.shown} is being written already.") from error
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def free_bytes(self, descriptor: int) -> int:
        """Space that is left for this account. Raises ``OSError``."""
        disk = os.fstatvfs(descriptor)
        return disk.f_bavail * disk.f_frsize

    def dress(self, descriptor: int, mode: int, replaced: os.stat_result | None) -> None:
        """Give a new file its mode and owner: those of what it replaces, unless ``mode`` says. Raises ``OSError``."""
        if replaced is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, replaced.st_uid if os.geteuid() == 0 else -1, replaced.st_gid)
        if mode < 0:
            mode = 0o666 & ~_umask() if replaced is None else stat.S_IMODE(replaced.st_mode) & 0o777
        os.fchmod(descriptor, mode)

    def put(self, descriptor: int, transfer_id: str, *, overwrite: bool) -> None:
        """Have a partial file take its place, in one step; closes it. Raises ``FileFault``, ``OSError``."""
        try:
            partial = partial_name(transfer_id)
            found, ours = _status(self._folder, partial), os.fstat(descriptor)
            if found is None or (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino):
                raise FileFault(FileRefusal.CHANGED, f"Somebody took away what there was of {self.shown}.")
            if overwrite:
                os.replace(partial, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            else:
                self._put_new(partial)
        finally:
            os.close(descriptor)
        with contextlib.suppress(OSError):  # some systems of files cannot
            opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._folder)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    def _put_new(self, partial: str) -> None:
        try:
            os.link(partial, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}:
                raise
            # No hard links here: look, then rename.
            if self.status() is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            os.rename(partial, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        else:
            os.unlink(partial, dir_fd=self._folder)

    def drop_partial(self, transfer_id: str) -> None:
        """Remove what there is of a transfer, if it is ours. Raises ``OSError``."""
        partial = partial_name(transfer_id)
        found = _status(self._folder, partial)
        if found is not None and _is_ours(found):
            os.unlink(partial, dir_fd=self._folder)


def partial_name(transfer_id: str) -> str:
    """What a file is called that is not whole yet."""
    return f".borealis-{transfer_id}.part"


def _parts(path: str, home: str) -> list[str]:
    """The steps, last one first."""
    if path == "~" or path.startswith("~/"):
        path = path[2:]
    whole = path if path.startswith("/") else f"{home}/{path}"
    return whole.split("/")[::-1]


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _follow(folder: int, name: str, found: os.stat_result, links: int, *, wary: bool, shown: str) -> str:
    if wary and found.st_uid != 0:
        raise FileFault(
            FileRefusal.UNSAFE_LINK,
            f"{shown} is a link that another account made; root does not follow it. Choose that account, or give the "
            "path that it leads to.",
        )
    if links > MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.readlink(name, dir_fd=folder)


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
