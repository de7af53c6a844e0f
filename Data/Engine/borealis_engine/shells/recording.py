"""A shell's output as an asciinema recording (asciicast v2): lines to append to a file, bounded.

Source: asciinema's file format, version 2. Only what is printed and how large the terminal is goes into it; what is
typed does not, because passwords are typed. Pure but for :func:`create` and :func:`append`, which run in a thread.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.files import private_folder

WAKE_BYTES: Final = 256 * 1024
"""So much waits to be written before somebody is told to hurry."""
_CUT: Final = "\r\n[The recording ends here: it has the largest size that is kept.]\r\n"


def header(columns: int, rows: int, *, started_at: float, title: str) -> bytes:
    """The first line."""
    head: Mapping[str, Any] = {
        "version": 2,
        "width": columns,
        "height": rows,
        "timestamp": int(started_at),
        "title": title,
        "env": {"TERM": "xterm-256color"},
    }
    return _line(head)


class Recording:
    """One recording under way. Gathers lines; whoever owns it writes them, and is told to ``hurry`` by many."""

    def __init__(
        self, recording_id: str, path: Path, *, clock: Clock, size: int, most: int, hurry: Callable[[], None]
    ) -> None:
        self.recording_id = recording_id
        self.path = path
        self._clock = clock
        self._began = clock.monotonic()
        self._most = most
        self._hurry = hurry
        self._waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.size = size
        self.seconds = 0.0
        self.cut = False
        self.is_empty = True
        """Nothing was printed."""

    def output(self, text: str) -> None:
        """It printed this."""
        self.is_empty = False
        self._add("o", text)

    def resized(self, columns: int, rows: int) -> None:
        """It has this size now."""
        self._add("r", f"{columns}x{rows}")

    def take(self) -> bytes:
        """What is to be written; it is gone from here then."""
        data, self._waiting, self.waiting_bytes = b"".join(self._waiting), [], 0
        return data

    def broken(self) -> None:
        """The disk did not take it: nothing more is recorded."""
        self.cut = True
        self.take()

    def _add(self, kind: str, data: str) -> None:
        if self.cut:
            return
        self.seconds = self._clock.monotonic() - self._began
        line = _line([round(self.seconds, 6), kind, data])
        if self.size + len(line) > self._most:
            self.cut = True
            line = _line([round(self.seconds, 6), "o", _CUT])
        self._waiting.append(line)
        self.waiting_bytes += len(line)
        self.size += len(line)
        if self.waiting_bytes > WAKE_BYTES:
            self._hurry()


def create(path: Path, first: bytes) -> None:
    """Make the file, which nobody but the Engine's account reads. Raises ``OSError``."""
    private_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(first)


def append(path: Path, data: bytes) -> None:
    """Write more. Raises ``OSError``; also where somebody took the file away, which is not made again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "ab") as file:
        file.write(data)


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
