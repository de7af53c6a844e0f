"""What the person at the keyboard sees, and the same with times in ``install.log``.

Owns standard output. May be called by every command.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

_WIDTH = 38


class Progress:
    """Steps with names and durations, one line each.

    Args:
        stream: where to.
        monotonic: seconds that only go forward.
        quiet: log only.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        self._stream = stream or sys.stdout
        self._monotonic = monotonic
        self._quiet = quiet
        self._logs: list[Path] = []
        self._waiting: list[str] = []
        self._begun = monotonic()

    def log_to(self, *paths: Path) -> None:
        """Write every line to these files too, those before included."""
        self._logs = list(paths)
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._log(line)

    def say(self, text: str = "", *, log: bool = True) -> None:
        """One line; ``log=False`` for what only the person at the keyboard may read."""
        self._print(text + "\n")
        if log and text.strip():
            self._log(text)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step: its name when it begins, its duration and what the body appended to the list when it ends."""
        begun = self._monotonic()
        notes: list[str] = []
        self._print(f"  {name} {'.' * max(3, _WIDTH - len(name))} ")
        try:
            yield notes
        except BaseException:
            self._finish(name, "failed", [])
            raise
        self._finish(name, f"{self._monotonic() - begun:5.1f} s", notes)

    @property
    def seconds(self) -> float:
        """Since this began."""
        return self._monotonic() - self._begun

    def _finish(self, name: str, how: str, notes: list[str]) -> None:
        text = "  ".join([how, *notes])
        self._print(text + "\n")
        self._log(f"{name}: {text.strip()}")

    def _print(self, text: str) -> None:
        if self._quiet:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
        except BrokenPipeError:
            self._quiet = True  # whoever listened went away; the work goes on

    def _log(self, text: str) -> None:
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        if not self._logs:
            self._waiting.append(text)
        for path in self._logs:
            with contextlib.suppress(OSError):  # a log that cannot be written must not stop the work it tells of
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8", errors="replace") as file:
                    file.write(f"[{stamp}] {text}\n")
