"""Starts the process that takes pictures, and asks it. Runs in the agent."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from borealis_agent.capabilities.screen.display import NoScreen, environments_of_mine, find_screen
from borealis_agent.capabilities.screen.eye import HEAD
from borealis_agent.platform.label import own_label

ANSWER_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 30.0
"""The process ends when nothing was asked of it for so long."""
MAX_HEAD: Final = 512 * 1024
MAX_DATA: Final = 64 * 1024 * 1024
_CODE: Final = Path(__file__).resolve().parents[3]
_START: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from borealis_agent.capabilities.screen.eye import serve; "
    "sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))"
)
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE")


class CannotLook(Exception):
    """No picture; the text tells a person why."""


class EyeProcess:
    """The child, started when somebody asks and ended when nobody does. One request at a time.

    ``start_task(name, work)`` runs a piece of work in the background.
    """

    def __init__(
        self,
        start_task: Callable[[str, Coroutine[Any, Any, None]], Any],
        *,
        screen: Callable[[], dict[str, str]] | None = None,
    ) -> None:
        self._start_task = start_task
        self._screen = screen or screen_here
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child now."""
        return self._process is not None

    async def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """One question and its answer.

        Raises:
            CannotLook: with the reason.
        """
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    is_old = self.running
                    about, data = await self._exchange(request)
                    if "error" in about and is_old:
                        # It may hold on to a display that is not there any more: the user may have signed in anew.
                        await self._end()
                        about, data = await self._exchange(request)
            except TimeoutError as error:
                await self._end()
                raise CannotLook(f"The screen gave no picture in {ANSWER_SECONDS:.0f} s.") from error
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                await self._end()
                raise CannotLook(f"What takes the pictures ended ({type(error).__name__}). Try again.") from error
            except CannotLook:
                raise
            except BaseException:
                await self._end()  # an answer half read would be taken for the next one's
                raise
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._nobody_asks)
        if "error" in about:
            raise CannotLook(str(about["error"])[:500])
        return about, data

    async def close(self) -> None:
        """End the child; the next question starts another."""
        async with self._turn:
            await self._end()

    async def _exchange(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        await process.stdin.drain()
        head_size, data_size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
        if head_size > MAX_HEAD or data_size > MAX_DATA:
            raise ValueError("the answer is larger than allowed")
        about = json.loads(await process.stdout.readexactly(head_size))
        return about, await process.stdout.readexactly(data_size) if data_size else b""

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            environment = await asyncio.to_thread(self._screen)
        except NoScreen as error:
            raise CannotLook(str(error)) from error
        # Isolated, with the agent's own path and nothing else: it runs with this user's rights.
        path = json.dumps([str(_CODE), *(entry for entry in sys.path if entry)])
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            "-c",
            _START,
            path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            process_group=0,  # in the agent's session, where its next life looks for what an earlier one left
            limit=1024 * 1024,
        )

    def _nobody_asks(self) -> None:
        self._start_task("end what takes pictures", self.close())

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                if sys.platform == "win32":
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def screen_here() -> dict[str, str]:
    """The child's environment: the session's screen, and nothing that it does not need. Raises ``NoScreen``."""
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | own_label()
    if sys.platform in {"win32", "darwin"}:
        return {**found, **{name: os.environ[name] for name in ("HOME",) if name in os.environ}}
    return {**found, **find_screen(os.environ, environments_of_mine())}
