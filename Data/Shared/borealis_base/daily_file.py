"""Log files with daily rotation, named ``<name>.YYYY-MM-DD``, never deleted (agent-runtime "Logging")."""

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class DailyFile(logging.Handler):
    """Appends to ``path``; when the day changes, yesterday's file gets its date as suffix.

    A disk that is full or read-only must not stop the agent: such a failure is counted, and the next line
    that can be written tells how many were lost.
    """

    def __init__(self, path: Path, *, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.path = path
        self.lost = 0
        self._since = self._until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            text = self.format(record) + "\n"
            if not self._since <= record.created < self._until:
                self._rotate(datetime.fromtimestamp(record.created))
            if self.lost:
                text = f"{self.lost} lines could not be written here\n{text}"
            # Opened anew for each line: somebody else may rotate or remove the file. Below the io module, because
            # a text file object costs more than the line.
            descriptor = os.open(self.path, _APPEND, 0o666)
            try:
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)
            self.lost = 0
        except OSError:
            self.lost += 1
            self._until = 0.0  # the folder may be gone: look again at the next line
        except Exception:  # noqa: BLE001  (a line whose arguments do not fit must not stop who wrote it)
            self.handleError(record)

    def _rotate(self, now: datetime) -> None:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        day = f"{midnight:%Y-%m-%d}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            written = datetime.fromtimestamp(self.path.stat().st_mtime).strftime("%Y-%m-%d")
            if written != day:
                self.path.replace(free_name(self.path, written))
        self._since, self._until = midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()


def free_name(path: Path, day: str) -> Path:
    """``<name>.<day>``, with a counter where that exists already: a rotated log is never overwritten."""
    target = path.with_name(f"{path.name}.{day}")
    count = 1
    while target.exists():
        target = path.with_name(f"{path.name}.{day}.{count}")
        count += 1
    return target
