"""One macro from its start to its end: types when it is time, hears what an operator changes, says what it does."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from borealis_agent.capabilities.macro.pacing import Cue, Pacing
from borealis_agent.capabilities.macro.telling import Telling
from borealis_base.clock import Clock
from borealis_wire.macro import MacroSettings, MacroType, changed

Say = Callable[[str], Awaitable[None]]
_WAITS: Final = "waits for its trigger"
_RESTS: Final = "rests until it is active again"


class Typing(Protocol):
    """Types; ``child.HandProcess`` fulfils it."""

    async def ask(self, request: Mapping[str, Any]) -> None:
        """Type once. Raises ``CannotType``."""


class RunningMacro:
    """A macro under way.

    Args:
        turn: held while it types: the macros of one screen do not mix their keys.
        chance: gives a number from 0 to 1 for each wait.
        say: hears the lines that are worth saying.
    """

    def __init__(
        self,
        settings: MacroSettings,
        *,
        hand: Typing,
        turn: asyncio.Lock,
        clock: Clock,
        chance: Callable[[], float],
        say: Say,
    ) -> None:
        self._pacing = Pacing(settings)
        self._telling = Telling()
        self._hand = hand
        self._turn = turn
        self._clock = clock
        self._chance = chance
        self._say = say
        self._woken = asyncio.Event()
        self._take = True

    @property
    def total(self) -> str:
        """How often it typed, in words."""
        return self._telling.total()

    def change(self, changes: Mapping[str, Any]) -> None:
        """Go on with other settings, at once.

        Raises:
            Refused: ``malformed``: what comes of it is no macro; nothing is changed.
        """
        self._pacing.change(changed(self._pacing.settings, changes))
        self._telling.anew()
        self._take = True
        self._woken.set()

    async def run(self) -> None:
        """Type until the mode says that it is done.

        Raises:
            CannotType: with the reason.
        """
        said = ""
        while True:
            self._woken.clear()
            cue = self._pacing.next(self._clock.monotonic())
            match cue:
                case Cue.END:
                    return
                case Cue.TYPE:
                    said = ""
                    await self._type()
                case Cue.REST:
                    words = _WAITS if self._pacing.settings.active else _RESTS
                    if words != said:
                        said = words
                        await self._say(words)
                    await self._woken.wait()
                case float():
                    # A change counts at once: the wait is reckoned anew.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(cue):
                            await self._woken.wait()

    async def _type(self) -> None:
        settings, take, self._take = self._pacing.settings, self._take, False
        self._pacing.typed(self._clock.monotonic(), self._chance())
        what: dict[str, Any]
        if settings.macro_type is MacroType.TEXT:
            what, words = {"text": settings.text}, f"typed {len(settings.text)} characters"
        else:
            what, words = {"keys": settings.key}, f"pressed {settings.key}"
        where = {"handle": settings.window_handle, "title": settings.window_title, "take": take}
        async with self._turn:
            await self._hand.ask({**where, **what})
        now = self._clock.monotonic()
        self._pacing.finished(now)
        line = self._telling.step(words, now)
        if line is not None:
            await self._say(line)
