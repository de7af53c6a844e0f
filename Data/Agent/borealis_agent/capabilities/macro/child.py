"""Starts the process that types, and asks it. Runs in the agent."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from borealis_agent.capabilities.asking import AskedProcess
from borealis_agent.capabilities.macro.errors import CannotType
from borealis_agent.capabilities.macro.hand import LEAVE_SECONDS
from borealis_agent.capabilities.screen.child import screen_here
from borealis_agent.capabilities.screen.display import NoScreen

ANSWER_SECONDS: Final = 20.0
CHARACTER_SECONDS: Final = 0.05
"""What one more character may take."""


class HandProcess:
    """The child of one macro. One request at a time."""

    def __init__(self, *, screen: Callable[[], dict[str, str]] | None = None) -> None:
        self._screen = screen or screen_here
        self._child = AskedProcess("borealis_agent.capabilities.macro.hand", self._environment)

    async def ask(self, request: Mapping[str, Any]) -> None:
        """Have it type; a request that is cancelled has ended, key by key, when this returns.

        Raises:
            CannotType: with the reason.
        """
        seconds = ANSWER_SECONDS + CHARACTER_SECONDS * len(request.get("text", ""))
        try:
            async with asyncio.timeout(seconds):
                about, _ = await self._child.exchange(request)
        except TimeoutError as error:
            await self._child.end()
            raise CannotType(f"The screen took no keys for {seconds:.0f} s.") from error
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            await self._child.end()
            raise CannotType(f"What types the keys ended ({type(error).__name__}). Start the macro again.") from error
        except asyncio.CancelledError:
            await self.close()
            raise
        if "error" in about:
            raise CannotType(str(about["error"])[:500])

    async def close(self) -> None:
        """End the child, which leaves the keyboard as it was."""
        await self._child.end(grace=LEAVE_SECONDS + 1)

    async def _environment(self) -> dict[str, str]:
        try:
            return await asyncio.to_thread(self._screen)
        except NoScreen as error:
            raise CannotType(str(error)) from error
