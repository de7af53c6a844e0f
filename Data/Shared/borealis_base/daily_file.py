"""Log files with daily rotation, named ``<name>.YYYY-MM-DD``, never deleted (agent-runtime "Logging")."""

import logging
from datetime import datetime
from pathlib import Path


class DailyFile(logging.Handler):
    """Appends to ``path``; when the day changes, yesterday's file gets its date as suffix.

    A disk that is full or read-only must not stop the agent: such a failure is counted, and the next line
    that can be written tells how many were lost.
    """

    def __init__(self, path: Path, *, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.path = path
        self.lost = 0
        self._day = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self._rotate(datetime.fromtimestamp(record.created).strftime("%Y-%m-%d"))
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                if self.lost:
                    file.write(f"{self.lost} lines could not be written here\n")
                    self.lost = 0
                file.write(self.format(record) + "\n")
        except OSError:
            self.lost += 1
            self._day = ""  # the folder may be gone: look again at the next line
        except Exception:  # noqa: BLE001  (a line whose arguments do not fit must not stop who wrote it)
            self.handleError(record)

    def _rotate(self, day: str) -> None:
        if day == self._day:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            written = datetime.fromtimestamp(self.path.stat().st_mtime).strftime("%Y-%m-%d")
            if written != day:
                self.path.replace(free_name(self.path, written))
        self._day = day


def free_name(path: Path, day: str) -> Path:
    """``<name>.<day>``, with a counter where that exists already: a rotated log is never overwritten."""
    target = path.with_name(f"{path.name}.{day}")
    count = 1
    while target.exists():
        target = path.with_name(f"{path.name}.{day}.{count}")
        count += 1
    return target
