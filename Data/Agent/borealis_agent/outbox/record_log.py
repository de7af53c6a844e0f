"""A file of records, one a line, each with a checksum: append, read back, rewrite as a whole.

Knows nothing of what a record means. A record counts once ``append(..., sync=True)`` has returned; a line that a
crash cut short is dropped when the file is opened again. Called by ``journal`` and ``outbox``, from one thread.
"""

import contextlib
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from borealis_agent.outbox.disk import Disk


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record's bytes lie in the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was in the file: whole records with their places.

    ``torn``: a crash cut the last line short; it was never synced, so nothing relied on it.
    ``damaged``: something else is wrong; records may be missing. ``existed``: there was a file.
    """

    records: tuple[tuple[bytes, Place], ...] = ()
    torn: bool = False
    damaged: bool = False
    existed: bool = False
    sound_bytes: int = 0


def frame(record: bytes) -> bytes:
    """A record as a line."""
    return b"%08x %b\n" % (zlib.crc32(record), record)


def read_frames(data: bytes) -> Found:
    """Take a file apart; pure."""
    records: list[tuple[bytes, Place]] = []
    position, damaged = 0, False
    while (end := data.find(b"\n", position)) >= 0:
        record = _unframe(data[position:end])
        if record is None:
            rest = data[position:]
            if _could_be_torn(rest):
                break
            damaged = True
        else:
            records.append((record, Place(position + 9, len(record))))
        position = end + 1
    rest = data[position:]
    torn = bool(rest) and _could_be_torn(rest)
    damaged = damaged or (bool(rest) and not torn)
    return Found(tuple(records), torn=torn, damaged=damaged, existed=True, sound_bytes=position)


def _could_be_torn(rest: bytes) -> bool:
    """Whether this end of a file is what a crash leaves: part of one line, or room that never got all its bytes.

    A whole line with a wrong checksum is something else: it may have counted, and rotted since.
    """
    text = rest.rstrip(b"\0")
    return b"\n" not in text or (b"\0" in text and b"\n" not in text[:-1])


def _unframe(line: bytes) -> bytes | None:
    if len(line) < 9 or line[8:9] != b" ":
        return None
    record = line[9:]
    return record if line[:8] == b"%08x" % zlib.crc32(record) else None


class RecordLog:
    """One such file, open for appending."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self.size = 0
        self._disk = disk
        self._handle: int | None = None
        self._doubtful = False

    def read(self) -> Found:
        """What is in the file now; does not open it for appending.

        Raises:
            OSError: it cannot be read.
        """
        try:
            data = self._disk.read(self.path)
        except FileNotFoundError:
            return Found()
        return read_frames(data)

    def rewrite(self, records: Iterable[bytes]) -> list[Place]:
        """Put a new file in the place of the old one, durably, and append to it from now on.

        Raises:
            OSError: old or new is then there, and whole; nothing can be appended before another try.
        """
        temporary = self.path.with_name(f".{self.path.name}.new")
        data, places = _join(records, 0)
        self._disk.remove(temporary)
        handle = self._disk.open(temporary)
        try:
            self._disk.append(handle, data)
            self._disk.sync(handle)
            self._doubtful = True  # from here on the open file may not be the one that has the name
            if self._disk.renames_open_files:
                self._disk.rename(temporary, self.path)
                self._disk.sync_folder(self.path.parent)
        except BaseException:
            self._disk.close(handle)
            raise
        if self._disk.renames_open_files:
            self.close()
        else:
            handle = self._swap_closed(handle, temporary)
        self._handle, self.size, self._doubtful = handle, len(data), False
        return places

    def _swap_closed(self, handle: int, temporary: Path) -> int:
        """Close both files, rename, open what has the name now; after a failure the old one, to read from.

        Never opens where there was nothing before: that would make an empty file, and a journal that is gone look
        like one that never held anything.
        """
        was_open = self._handle is not None
        self._disk.close(handle)
        self.close()
        try:
            self._disk.rename(temporary, self.path)
        except OSError:
            if was_open:
                with contextlib.suppress(OSError):
                    self._handle = self._disk.open(self.path)
            raise
        self._disk.sync_folder(self.path.parent)
        return self._disk.open(self.path)

    def open_at(self, size: int) -> None:
        """Open for appending after the first ``size`` bytes; what lies behind them is cut off.

        Raises:
            OSError: it cannot be opened or cut.
        """
        self._handle = self._disk.open(self.path)
        self._disk.truncate(self._handle, size)
        self.size = size

    @property
    def needs_rewrite(self) -> bool:
        """Whether an earlier failure leaves it unknown what is on the disk: append only after a rewrite."""
        return self._doubtful or self._handle is None

    def append(self, records: Sequence[bytes], *, sync: bool) -> list[Place]:
        """Add records at the end.

        Raises:
            OSError: nothing was added that counts.
        """
        if self._handle is None or self._doubtful:
            raise OSError(f"{self.path.name} must be rewritten first")
        data, places = _join(records, self.size)
        try:
            self._disk.append(self._handle, data)
        except BaseException:
            self._cut_back()
            raise
        if sync:
            try:
                self._disk.sync(self._handle)
            except BaseException:
                # After a failed sync the kernel may have dropped the pages: only a new file is certain.
                self._doubtful = True
                raise
        self.size += len(data)
        return places

    def record_at(self, place: Place) -> bytes:
        """Read one record back.

        Raises:
            OSError: it cannot be read.
        """
        if self._handle is None:
            raise OSError(f"{self.path.name} is not open")
        return self._disk.read_at(self._handle, place.offset, place.size)

    def close(self) -> None:
        """Give the file back."""
        if self._handle is not None:
            self._disk.close(self._handle)
            self._handle = None

    def _cut_back(self) -> None:
        try:
            if self._handle is not None:
                self._disk.truncate(self._handle, self.size)
        except OSError:
            self._doubtful = True


def _join(records: Iterable[bytes], offset: int) -> tuple[bytes, list[Place]]:
    lines, places = [], []
    for record in records:
        line = frame(record)
        places.append(Place(offset + 9, len(record)))
        lines.append(line)
        offset += len(line)
    return b"".join(lines), places


def folder_of(path: Path) -> Path:
    """The folder of a log, made where it is missing, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "posix":
        path.parent.chmod(0o700)
    return path.parent
