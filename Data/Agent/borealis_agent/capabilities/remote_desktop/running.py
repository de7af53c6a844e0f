"""Runs one program of the system to its end. Owns the environment that such programs get."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from borealis_base.tasks import Supervisor

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Never the inherited PATH: an account may have put its own folders there."""
LEAVE_SECONDS: Final = 60.0
"""A package manager is not cut off half-way: whoever cancels waits this long, then it ends by itself."""
_MAX_OUTPUT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended; ``output`` is both of its streams. ``code`` 127: there is none of that name."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """The end of what it printed, for one sentence."""
        return " ".join(self.output.split())[-300:] or f"exit code {self.code}"


Run = Callable[[Sequence[str]], Awaitable[Done]]
"""Runs a command to its end. Raises ``TimeoutError`` and ``OSError``."""


async def run_program(command: Sequence[str], *, seconds: float = 120.0) -> Done:
    """Run a command with an environment of its own; it and what it started end after ``seconds``.

    The output goes to a file: a daemon that keeps a pipe open would keep us waiting for ever.

    Raises:
        TimeoutError: it took longer, and was ended.
        OSError: it could not be started, for another reason than that there is none.
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
                cwd=None if sys.platform == "win32" else "/",
            )
        except FileNotFoundError:
            return Done(127, f"{command[0]}: not found")
        await _see_through(process, seconds)
        output.seek(0)
        text = output.read(_MAX_OUTPUT).decode("utf-8", "replace")
    return Done(process.returncode if process.returncode is not None else -1, text)


def environment() -> dict[str, str]:
    """What programs get: nothing of the agent's own."""
    if sys.platform == "win32":
        return dict(os.environ)
    kept = {
        name: text for name, text in os.environ.items() if name.lower() in {"http_proxy", "https_proxy", "no_proxy"}
    }
    return {**kept, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


async def _see_through(process: asyncio.subprocess.Process, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline, cancelled, late = loop.time() + seconds, False, False
    async with Supervisor() as tasks:
        ending = tasks.start(f"wait for process {process.pid}", process.wait())
        while not ending.done() and loop.time() < deadline:
            try:
                await asyncio.wait([ending], timeout=deadline - loop.time())
            except asyncio.CancelledError:
                cancelled = True
                deadline = min(deadline, loop.time() + LEAVE_SECONDS)
        late = not ending.done() and not cancelled
        if late:
            _end(process)
            await asyncio.wait([ending], timeout=10)
    if cancelled:
        raise asyncio.CancelledError
    if late:
        raise TimeoutError(f"it took longer than {seconds:g} s and was ended")


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
