"""Starts the process that takes pictures, and asks it. Runs in the agent."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from borealis_agent.capabilities.asking import AskedProcess
from borealis_agent.capabilities.screen.display import NoScreen, environments_of_mine, find_screen
from borealis_agent.platform.label import own_label

ANSWER_SECONDS: Final = 15.0
ASKING_SECONDS: Final = 50.0
"""The same where the desktop may ask the user first: longer than ``portal.SECONDS``."""
IDLE_SECONDS: Final = 30.0
"""The process ends when nothing was asked of it for so long."""
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
        self._child = AskedProcess("borealis_agent.capabilities.screen.eye", self._environment)
        self._turn = asyncio.Lock()
        self._asks_user = False
        """Whether the desktop may ask the user first, so that nobody asks twice for one picture."""
        self._idle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child now."""
        return self._child.running

    async def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """One question and its answer.

        Raises:
            CannotLook: with the reason.
        """
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            try:
                async with asyncio.timeout(ASKING_SECONDS if self._asks_user else ANSWER_SECONDS) as limit:
                    is_old = self.running
                    about, data = await self._exchange(request, limit)
                    if "error" in about and is_old and not self._asks_user:
                        # It may hold on to a display that is not there any more: the user may have signed in anew.
                        await self._end()
                        about, data = await self._exchange(request, limit)
            except TimeoutError as error:
                await self._end()
                seconds = ASKING_SECONDS if self._asks_user else ANSWER_SECONDS
                raise CannotLook(f"The screen gave no picture in {seconds:.0f} s.") from error
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

    async def _exchange(self, request: Mapping[str, Any], limit: asyncio.Timeout) -> tuple[dict[str, Any], bytes]:
        await self._child.start()
        if self._asks_user:
            limit.reschedule(asyncio.get_running_loop().time() + ASKING_SECONDS)
        return await self._child.exchange(request)

    async def _environment(self) -> dict[str, str]:
        try:
            environment = await asyncio.to_thread(self._screen)
        except NoScreen as error:
            raise CannotLook(str(error)) from error
        self._asks_user = environment.get("XDG_SESSION_TYPE") == "wayland"
        return environment

    def _nobody_asks(self) -> None:
        self._start_task("end what takes pictures", self.close())

    async def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        await self._child.end()


def screen_here() -> dict[str, str]:
    """The child's environment: the session's screen, and nothing that it does not need. Raises ``NoScreen``."""
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | own_label()
    if sys.platform in {"win32", "darwin"}:
        return {**found, **{name: os.environ[name] for name in ("HOME",) if name in os.environ}}
    return {**found, **find_screen(os.environ, environments_of_mine())}
