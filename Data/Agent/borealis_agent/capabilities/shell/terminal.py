"""One terminal as the agent sees it: its keeper process, its last output, and who is connected to it now."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from borealis_agent.capabilities import own_code
from borealis_agent.capabilities.shell import frames
from borealis_agent.capabilities.shell.choice import Choice, NoShell
from borealis_agent.capabilities.shell.frames import FrameReader, frame
from borealis_agent.capabilities.shell.ring import KEPT_BYTES, Ring

AHEAD_BYTES: Final = 128 * 1024
"""How far a terminal's output may be ahead of who is connected, before what prints has to wait."""
AHEAD_ALONE: Final = KEPT_BYTES // 2
"""The same while nobody is connected: all of it is still there when somebody comes back."""
START_SECONDS: Final = 15.0
END_SECONDS: Final = 10.0
_KEEPER: Final = "keeper_windows" if sys.platform == "win32" else "keeper"
_START: Final = f"from borealis_agent.capabilities.shell.{_KEEPER} import serve; sys.exit(serve(0, 1))"


class Terminal:
    """A shell in a terminal. Made by :meth:`open`; :meth:`run` carries its output until it is over."""

    def __init__(self, process: asyncio.subprocess.Process, choice: Choice) -> None:
        self._process = process
        self.user = choice.user
        self.shell = Path(choice.command[0]).stem
        self.ring = Ring()
        self.status: int | None = None
        """How the shell ended; None while it runs."""
        self.reason = ""
        """Why it ended, where that was not the shell's own doing."""
        self.taken: int | None = None
        """Position up to which whoever is connected took the output; None while nobody is."""
        self._left = 0
        """Position up to which it was taken when the last one left."""
        self._ending = False
        self._changed = asyncio.Condition()

    @classmethod
    async def open(cls, choice: Choice, *, columns: int, rows: int) -> "Terminal":
        """Start the keeper, and the shell in it.

        Raises:
            NoShell: the keeper cannot be started. That the shell cannot be is told by how the terminal ends.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *own_code.command(_START),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=own_code.bare_environment("SYSTEMROOT", "TEMP", "TMP"),
                start_new_session=True,
                limit=frames.MAX_FRAME,
                cwd=None if sys.platform == "win32" else "/",
            )
        except OSError as error:
            raise NoShell(f"A terminal cannot be made: {error}.") from error
        terminal = cls(process, choice)
        await terminal._send(frames.START, json.dumps(_start_of(choice, columns, rows)).encode())
        return terminal

    @property
    def over(self) -> bool:
        """Whether the shell has ended; its last output may still be there to be read."""
        return self.status is not None

    async def run(self) -> None:
        """Take the output until the shell is over, no faster than somebody takes it from us."""
        assert self._process.stdout is not None
        reader = FrameReader()
        status, reason = 1, "What keeps the terminal ended unexpectedly."
        try:
            while data := await self._process.stdout.read(frames.MAX_FRAME):
                for kind, told in reader.feed(data):
                    if kind == frames.OUTPUT:
                        self.ring.append(told)
                    elif kind == frames.EXIT:
                        status, reason = int(told), ""
                    elif kind == frames.FAILED:
                        status, reason = 127, told.decode("utf-8", "replace")
                async with self._changed:
                    self._changed.notify_all()
                    await self._changed.wait_for(self._has_room)
        finally:
            try:
                await self._reap()
            finally:
                self.status, self.reason = status, self.reason or reason
                async with self._changed:
                    self._changed.notify_all()

    async def next_output(self, position: int, most: int) -> tuple[int, bytes]:
        """Output from ``position`` on, waiting for some; empty where there will be none any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.ring.end > position or self.over)
            return self.ring.read(position, most)

    async def took(self, position: int | None) -> None:
        """Whoever is connected has taken the output up to here; None: nobody is connected any more."""
        async with self._changed:
            if position is None and self.taken is not None:
                self._left = self.taken
            self.taken = position
            self._changed.notify_all()

    async def write(self, data: bytes) -> None:
        """Type; waits while the terminal takes no more."""
        await self._send(frames.INPUT, data)

    async def resize(self, columns: int, rows: int) -> None:
        """It is this large now."""
        await self._send(frames.RESIZE, frames.SIZE.pack(columns, rows))

    async def signal(self, name: str) -> None:
        """Send a signal to what runs in the foreground."""
        await self._send(frames.SIGNAL, name.encode("ascii"))

    async def end(self, reason: str) -> None:
        """End it with all that runs in it; returns once nothing is left."""
        if not self.over and not self.reason:
            self.reason = reason
        self._ending = True  # nobody's slowness holds it up any more
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()  # the keeper takes that as our end, and ends everything
        try:
            async with asyncio.timeout(END_SECONDS), self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: self.over)
        except TimeoutError:
            self._kill()

    # --- inside

    async def _send(self, kind: bytes, data: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(ConnectionError):  # it is over, which ``run`` tells
            if not stdin.is_closing():
                stdin.write(frame(kind, data))
                await stdin.drain()

    def _has_room(self) -> bool:
        if self._ending:
            return True
        if self.taken is None:
            return self.ring.end - self._left < AHEAD_ALONE
        return self.ring.end - self.taken < AHEAD_BYTES

    async def _reap(self) -> None:
        """The keeper ends by itself once it has ended everything; one that does not is killed."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            self._kill()
            await process.wait()

    def _kill(self) -> None:
        """End the keeper at once; the system hangs its terminal up."""
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)


def _start_of(choice: Choice, columns: int, rows: int) -> dict[str, object]:
    told: dict[str, object] = {
        "command": list(choice.command),
        "name": choice.name,
        "environment": dict(choice.environment),
        "folder": choice.folder,
        "columns": columns,
        "rows": rows,
    }
    if choice.account is not None:
        who = asdict(choice.account)
        told |= {"user": who["name"], "uid": who["uid"], "gid": who["gid"], "home": who["home"]}
    return told
