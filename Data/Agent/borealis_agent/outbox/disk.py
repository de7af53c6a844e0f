"""The few file operations that journal and outbox are built of, so that a test can fail or crash at each one."""

import os
import sys
from pathlib import Path
from typing import Final, Protocol

from borealis_base.files import replace_file, sync_folder

_BINARY: Final = getattr(os, "O_BINARY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


class Disk(Protocol):
    """File operations; each may raise ``OSError``. What was appended counts only once ``sync`` has returned."""

    @property
    def renames_open_files(self) -> bool:
        """Whether a file may be renamed, and another put in its place, while it is open: not on Windows."""

    def read(self, path: Path) -> bytes:
        """Everything. Raises ``FileNotFoundError`` where there is no such file."""

    def open(self, path: Path) -> int:
        """Open for reading and appending; made with mode 0600 where it is missing."""

    def append(self, handle: int, data: bytes) -> None:
        """Write all of ``data`` at the end."""

    def read_at(self, handle: int, offset: int, size: int) -> bytes:
        """Bytes from the middle."""

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""

    def sync(self, handle: int) -> None:
        """Make what was appended survive a power cut."""

    def close(self, handle: int) -> None:
        """Give the handle back."""

    def rename(self, source: Path, target: Path) -> None:
        """Put ``source`` in the place of ``target``, at once."""

    def sync_folder(self, folder: Path) -> None:
        """Make renames and new names in ``folder`` survive a power cut."""

    def remove(self, path: Path) -> None:
        """Remove a file; nothing happens where there is none."""

    def modified_at(self, path: Path) -> float:
        """When the file was last written, in Unix seconds."""

    def names(self, folder: Path) -> list[str]:
        """What is in a folder."""


class SystemDisk:
    """The real one."""

    renames_open_files: Final = sys.platform != "win32"

    def read(self, path: Path) -> bytes:
        """Everything."""
        return path.read_bytes()

    def open(self, path: Path) -> int:
        """Open for reading and appending; never through a symbolic link."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY | _NO_LINK, 0o600)

    def append(self, handle: int, data: bytes) -> None:
        """Write all of ``data`` at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def read_at(self, handle: int, offset: int, size: int) -> bytes:
        """Bytes from the middle; appending is not disturbed, because it always goes to the end."""
        if sys.platform == "win32":
            os.lseek(handle, offset, os.SEEK_SET)
            return os.read(handle, size)
        return os.pread(handle, size, offset)

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """Data and size are enough: nobody reads the times of these files after a crash."""
        if sys.platform == "linux":
            os.fdatasync(handle)
        else:
            os.fsync(handle)

    def close(self, handle: int) -> None:
        """Give the handle back."""
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Put ``source`` in the place of ``target``."""
        replace_file(source, target)

    def sync_folder(self, folder: Path) -> None:
        """Make renames in ``folder`` last."""
        sync_folder(folder)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)

    def modified_at(self, path: Path) -> float:
        """When the file was last written."""
        return path.stat().st_mtime

    def names(self, folder: Path) -> list[str]:
        """What is in a folder."""
        return [path.name for path in folder.iterdir()]
