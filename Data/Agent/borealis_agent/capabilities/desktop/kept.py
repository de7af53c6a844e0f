"""A keeper of a desktop as the agent sees it: starts it, hears it, hands it connections, lets it end."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

from borealis_agent.capabilities import own_code
from borealis_agent.capabilities.desktop import telling
from borealis_agent.capabilities.desktop.finding import NoDesktop
from borealis_agent.capabilities.desktop.remains import sweep

END_SECONDS: Final = 10.0
_START: Final = "from borealis_agent.capabilities.desktop.keeper import serve; sys.exit(serve(int(sys.argv[2])))"


class Kept:
    """One keeper. Made by :meth:`begin`; :meth:`run` hears it until it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.over = asyncio.Event()
        """Nothing of it is left."""

    @classmethod
    async def begin(cls, start: Mapping[str, Any]) -> "Kept":
        """Start a keeper, and tell it what to keep.

        Raises:
            NoDesktop: it cannot be started. That the desktop cannot be is told by what it says.
        """
        ours, theirs = telling.pair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *own_code.command(_START, str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    env=own_code.bare_environment(),
                    start_new_session=True,
                    pass_fds=(theirs.fileno(),),
                    cwd="/",
                )
            except BaseException as error:
                ours.close()
                if isinstance(error, OSError):
                    raise NoDesktop("failed", f"What keeps a desktop cannot be started: {error}.") from error
                raise
        ours.setblocking(False)
        kept = cls(process, ours)
        with contextlib.suppress(OSError):  # it ended already, which ``run`` finds out
            ours.send(telling.packet(**start))
        return kept

    async def run(self) -> None:
        """Hear it until it ends; then nothing of it is left."""
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError, ValueError):
                while data := await loop.sock_recv(self._channel, telling.MAX_PACKET):
                    self._said.put_nowait(telling.read(data))
        finally:
            self._said.put_nowait(None)
            try:
                await self._reap()
            finally:
                self._channel.close()
                self.over.set()

    async def next(self) -> dict[str, Any] | None:
        """What it says next; None once it says no more."""
        said = await self._said.get()
        if said is None:
            self._said.put_nowait(None)
        return said

    def carry(self, visitor: socket.socket, *, view_only: bool, visit: int) -> None:
        """Hand it a connection: from now on it carries that one's bytes, and no other's. Raises ``OSError``.

        It tells that ``visit`` has ``left`` once that one's connection is over, unless another one took its place.
        """
        if sys.platform != "win32":
            told = telling.packet(do="carry", view_only=view_only, visit=visit)
            socket.send_fds(self._channel, [told], [visitor.fileno()])

    def close(self) -> None:
        """Let it end, with everything it keeps; never waits."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    async def _reap(self) -> None:
        """It ends by itself once it has ended everything; one that does not is killed."""
        self.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                if sys.platform != "win32":
                    os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        sweep()
