"""What becomes of a script's output: live pieces, the text of the result, and the rest on disk; all bounded.

Back-pressure: while the live pieces are not taken, nothing more is read, so the script waits on its own pipe.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from borealis_agent.execution.decoding import OutputDecoder
from borealis_agent.role_api import OutputSink
from borealis_base.files import private_folder
from borealis_wire.limits import (
    KIB,
    MAX_OUTPUT_CHUNK_BYTES,
    MAX_OUTPUT_ON_DISK_BYTES,
    MAX_RESULT_STREAM_BYTES,
    MIB,
)

COALESCE_SECONDS: Final = 0.05
MAX_UNSENT_CHARACTERS: Final = 256 * KIB
FLOOD_PAUSE_SECONDS: Final = 0.005
"""Between reads of output that nobody keeps any more: a flood must not take a core of the agent too."""
MAX_SPILLED_FILES: Final = 40
MAX_SPILLED_BYTES: Final = 512 * MIB

Sleep = Callable[[float], Awaitable[None]]
log = logging.getLogger(__name__)


class Spill:
    """Output that does not fit a result, on disk as ``<run id>.<stream>``."""

    def __init__(self, folder: Path, limit: int = MAX_OUTPUT_ON_DISK_BYTES) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, run_id: str, stream: str) -> int | None:
        """A file to append to; None where the disk does not want to."""
        name = "".join(char if char.isalnum() or char in "-_" else "_" for char in run_id)[:80]
        try:
            private_folder(self.folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            return os.open(self.folder / f"{name}.{stream}", flags, 0o600)
        except OSError as error:
            log.warning("the whole output of run %s cannot be kept on disk: %s", run_id, error)
            return None

    def prune(self) -> None:
        """Remove the oldest files above the bounds. Never raises."""
        try:
            files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            total = 0
            for count, path in enumerate(files, start=1):
                total += path.stat().st_size
                if count > MAX_SPILLED_FILES or total > MAX_SPILLED_BYTES:
                    path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("old outputs in %s cannot be removed: %s", self.folder, error)


class StreamCapture:
    """One stream of one run."""

    def __init__(self, run_id: str, stream: str, spill: Spill, live: "LiveOutput") -> None:
        self.stream = stream
        self._run_id = run_id
        self._spill = spill
        self._live = live
        self._decoder = OutputDecoder()
        self._text: list[str] = []
        self._head: list[bytes] = []
        self._total = 0
        self._on_disk = 0
        self._file: int | None = None

    @property
    def overflowing(self) -> bool:
        """Whether what comes now is kept nowhere any more."""
        return self._total > max(self._spill.limit, MAX_RESULT_STREAM_BYTES)

    async def feed(self, data: bytes) -> None:
        """Take bytes; waits while live output is not taken."""
        room = MAX_RESULT_STREAM_BYTES - self._total
        self._total += len(data)
        if room > 0:
            part = data[:room]
            self._head.append(part)
            text = self._decoder.feed(part)
            if text:
                self._text.append(text)
                await self._live.put(self.stream, text)
        if len(data) > room:
            self._to_disk(data)

    def finish(self) -> str:
        """The text for the result; say so at its end where it is not all there was."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._spill.prune()
        if self._total <= MAX_RESULT_STREAM_BYTES:
            self._text.append(self._decoder.feed(b"", final=True))
            return "".join(self._text)
        return "".join(self._text) + self._marker()

    def _marker(self) -> str:
        kept = f"; {self._on_disk} bytes are in Spool/output on the device" if self._on_disk else ""
        return f"\n[Borealis cut this stream here: {self._total} bytes in all{kept}]\n"

    def _to_disk(self, data: bytes) -> None:
        if self._head:  # the first time: what the result holds comes first in the file
            self._file = self._spill.open(self._run_id, self.stream)
            before = b"".join(self._head)
            self._head.clear()
            data = before + data[max(0, MAX_RESULT_STREAM_BYTES - (self._total - len(data))) :]
        room = self._spill.limit - self._on_disk
        if self._file is None or room <= 0:
            return
        try:
            self._on_disk += os.write(self._file, data[:room])
        except OSError as error:
            log.warning("the output of run %s is kept on disk no further: %s", self._run_id, error)
            os.close(self._file)
            self._file = None


class LiveOutput:
    """Pieces for whoever watches, put together for some 50 ms; both streams in the order in which they came."""

    def __init__(self, sink: OutputSink, sleep: Sleep = asyncio.sleep) -> None:
        self._sink = sink
        self._sleep = sleep
        self._waiting: deque[tuple[str, str]] = deque()
        self._unsent = 0
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    async def put(self, stream: str, text: str) -> None:
        """Take text; waits while too much is unsent."""
        if self._closed:
            return
        await self._room.wait()
        self._waiting.append((stream, text))
        self._unsent += len(text)
        self._something.set()
        if self._unsent > MAX_UNSENT_CHARACTERS:
            self._room.clear()

    def close(self) -> None:
        """Take no more, and let nobody wait: what comes now is in the result only."""
        self._closed = True
        self._waiting.clear()
        self._room.set()

    async def run(self) -> None:
        """Send until cancelled. A sink that fails gets nothing more; the result holds the output anyway."""
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                await self._sleep(COALESCE_SECONDS)
                while self._waiting:
                    await self._sink(*self._take())
                    if self._unsent <= MAX_UNSENT_CHARACTERS // 2:
                        self._room.set()
        except Exception:
            log.exception("live output stopped")
        finally:
            self.close()

    def _take(self) -> tuple[str, str]:
        """The longest piece of one stream that fits a message."""
        stream, text = self._waiting.popleft()
        parts, size = [text], len(text)
        while self._waiting and self._waiting[0][0] == stream and size < MAX_OUTPUT_CHUNK_BYTES:
            text = self._waiting.popleft()[1]
            parts.append(text)
            size += len(text)
        piece, rest = split_text("".join(parts), MAX_OUTPUT_CHUNK_BYTES)
        if rest:
            self._waiting.appendleft((stream, rest))
        self._unsent -= len(piece)
        return stream, piece


def split_text(text: str, limit: int) -> tuple[str, str]:
    """The longest beginning of ``text`` that has at most ``limit`` bytes in UTF-8, and the rest."""
    if len(text) * 4 <= limit:
        return text, ""
    data = text.encode("utf-8")
    if len(data) <= limit:
        return text, ""
    head = data[:limit].decode("utf-8", "ignore")
    return head, text[len(head) :]
