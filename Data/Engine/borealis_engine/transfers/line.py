"""A line to a device's files: plain bytes between lines."""

import asyncio
from typing import Any, Final

from borealis_engine.core.errors import Conflict, EngineError, NotFound, Unavailable
from borealis_engine.lines import EntryName, Line
from borealis_engine.lines.line import READ_BYTES, refused
from borealis_wire.files import FileRefusal
from borealis_wire.lines import BadLine

FILES: Final = EntryName(
    "files",
    "file",
    "FileTransfer",
    {reason.value: NotFound if reason is FileRefusal.NOT_FOUND else Conflict for reason in FileRefusal},
)
STALL_SECONDS: Final = 150.0
"""A device that sends nothing for so long is given up; its own patience is a little shorter."""
CUT: Final = "The connection to the device was lost."


class FilesLine(Line):
    """A line that was opened by an order about files."""

    _held = b""

    async def plain(self, most: int) -> bytes:
        """Some plain bytes, ``most`` of them at most.

        Raises:
            Unavailable: ``files_cut``: there are none any more.
        """
        data, self._held = self._held, b""
        if not data:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    data = await self.read_bytes(min(most, READ_BYTES))
            except (OSError, TimeoutError) as error:
                raise Unavailable("files_cut", CUT) from error
            if not data:
                raise Unavailable("files_cut", CUT)
        if len(data) > most:
            data, self._held = data[:most], data[most:]
        return data

    async def told(self, *kinds: str, seconds: float | None = STALL_SECONDS) -> dict[str, Any]:
        """The next line, which is one of these kinds.

        Raises:
            Conflict: the device says no.
            Unavailable: ``files_cut``, or it says something else.
        """
        if self._held:
            held, self._held = self._held, b""
            self._waiting.extend(self._lines.feed(held))
        try:
            async with asyncio.timeout(seconds):
                said = await self.read()
        except (OSError, TimeoutError) as error:
            raise Unavailable("files_cut", CUT) from error
        except BadLine as error:
            raise nonsense() from error
        if said is None:
            raise Unavailable("files_cut", CUT)
        if said["type"] == "refused":
            raise refused(said, FILES)
        if said["type"] not in kinds:
            raise nonsense()
        return said


def nonsense() -> EngineError:
    """The device said what its protocol does not have."""
    return Unavailable("files_failed", "The device's answer cannot be understood. Is its agent of another version?")


def whole_number(value: Any, most: int) -> int:
    """A number of bytes that a device told. Raises ``Unavailable``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise nonsense()
    return value
