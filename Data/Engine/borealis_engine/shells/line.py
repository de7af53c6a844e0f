"""A connection to a shell of a device: what is typed, and how the shell is told to end."""

import asyncio
import contextlib
from typing import Final

from borealis_engine.lines import EntryName, Line
from borealis_wire import shell_lines

CLOSE_SECONDS: Final = 5.0
SHELL: Final = EntryName("shell", "shell", "RemotePowershell")


class ShellLine(Line):
    """A line to a shell."""

    async def type(self, data: bytes) -> None:
        """Send what was typed. Raises ``OSError``."""
        for start in range(0, len(data), shell_lines.MAX_DATA_BYTES):
            piece = data[start : start + shell_lines.MAX_DATA_BYTES]
            await self.write_bytes(shell_lines.data_line("stdin", piece))

    async def end(self) -> None:
        """Tell the device that the shell is to end, and close. Never raises."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.write("close")
                self.write_eof()
        self.cut()
