"""Paths and what is at their end. Windows, where the agent's own account is the only one."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from borealis_agent.capabilities.files.faults import FileFault
from borealis_wire.files import FileRefusal


class Place:
    """What a path leads to. There may be nothing there. As ``places.Place``, with Windows' means."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shown = str(path)

    @classmethod
    def find(cls, path: str, home: str, *, wary: bool) -> Self:
        """Go to a path. Links are followed: only administrators may make them. Raises ``OSError``."""
        del wary
        if path == "~" or path.startswith(("~/", "~\\")):
            path = path[2:]
        return cls(Path(home, path).resolve())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def is_named(self) -> bool:
        """It is something in a folder, and not a drive."""
        return bool(self._path.name)

    def status(self) -> os.stat_result | None:
        """What is there now; None for nothing. Raises ``OSError``."""
        try:
            return self._path.lstat()
        except FileNotFoundError:
            return None

    def open_file(self) -> int:
        """A descriptor to read a plain file from. Raises ``FileFault``, ``OSError``."""
        self.check_plain(self._path.stat())
        return os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def check_plain(self, found: os.stat_result) -> None:
        """Raises ``FileFault`` for what is no plain file."""
        if stat.S_ISDIR(found.st_mode):
            raise FileFault(FileRefusal.IS_FOLDER, f"{self.shown} is a folder.")
        if not stat.S_ISREG(found.st_mode):
            raise FileFault(FileRefusal.NOT_PLAIN, f"{self.shown} is no plain file.")

    def entries(self) -> Iterator[tuple[str, os.stat_result, os.stat_result | None]]:
        """Name, status, and for a link what it leads to, in the order of names. Raises ``OSError``."""
        for name in sorted(os.listdir(self._path)):  # noqa: PTH208
            with contextlib.suppress(OSError):
                found = (self._path / name).lstat()
                behind = None
                if stat.S_ISLNK(found.st_mode):
                    with contextlib.suppress(OSError):
                        behind = (self._path / name).stat()
                yield name, found, behind

    def make_folder(self) -> None:
        """Raises ``OSError``."""
        self._path.mkdir()

    def remove(self) -> None:
        """A file, a link, or a folder that is empty. Raises ``OSError``."""
        if stat.S_ISDIR(self._path.lstat().st_mode):
            self._path.rmdir()
        else:
            self._path.unlink()

    def partial_size(self, transfer_id: str) -> int:
        """Bytes that are there of a transfer. Raises ``OSError``."""
        try:
            return self._partial(transfer_id).lstat().st_size
        except FileNotFoundError:
            return 0

    def open_partial(self, transfer_id: str) -> int:
        """A descriptor to write it. Raises ``OSError``."""
        return os.open(self._partial(transfer_id), os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)

    def free_bytes(self, descriptor: int) -> int:
        """Space that is left. Raises ``OSError``."""
        del descriptor
        return shutil.disk_usage(self._path.parent).free

    def dress(self, descriptor: int, mode: int, replaced: os.stat_result | None) -> None:
        """A new file has what its folder gives it."""

    def put(self, descriptor: int, transfer_id: str, *, overwrite: bool) -> None:
        """Have a partial file take its place, in one step; closes it. Raises ``OSError``."""
        os.close(descriptor)  # what is open cannot be renamed here
        if overwrite:
            self._partial(transfer_id).replace(self._path)
        else:
            self._partial(transfer_id).rename(self._path)  # fails where something is there

    def drop_partial(self, transfer_id: str) -> None:
        """Remove what there is of a transfer. Raises ``OSError``."""
        self._partial(transfer_id).unlink(missing_ok=True)

    def _partial(self, transfer_id: str) -> Path:
        return self._path.parent / f".borealis-{transfer_id}.part"
