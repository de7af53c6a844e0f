"""One macro on its way, with a hand that a test plays; and the process behind the real one."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
import pytest

from borealis_agent.capabilities.macro.child import HandProcess
from borealis_agent.capabilities.macro.errors import CannotType
from borealis_agent.capabilities.macro.running import RunningMacro
from borealis_agent.capabilities.screen.display import NoScreen
from borealis_base.clock import SystemClock
from borealis_wire.macro import MacroSettings, MacroType, OperationMode
from borealis_wire.refusal import Refused

KEY = MacroSettings(macro_type=MacroType.KEYPRESS, key="a", interval_ms=50)
CONTINUOUS = replace(KEY, operation_mode=OperationMode.CONTINUOUS)


@dataclass
class PlayedHand:
    """Implements ``running.Typing``: notes what it was asked, or complains."""

    complaint: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    busy: int = 0
    both: bool = False

    async def ask(self, request: Mapping[str, Any]) -> None:
        self.busy += 1
        self.both = self.both or self.busy > 1
        await asyncio.sleep(0)
        self.busy -= 1
        if self.complaint:
            raise CannotType(self.complaint)
        self.asked.append(dict(request))


@dataclass
class Scene:
    hand: PlayedHand
    lines: list[str]
    macro: RunningMacro


def scene(settings: MacroSettings, *, hand: PlayedHand | None = None, turn: asyncio.Lock | None = None) -> Scene:
    lines: list[str] = []

    async def say(line: str) -> None:
        lines.append(line)

    played = hand or PlayedHand()
    macro = RunningMacro(
        settings, hand=played, turn=turn or asyncio.Lock(), clock=SystemClock(), chance=lambda: 0.5, say=say
    )
    return Scene(played, lines, macro)


async def until(probe: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not probe():
            await asyncio.sleep(0.005)


async def beside(work: Awaitable[None], then: Callable[[], Awaitable[None]]) -> None:
    """Run ``then`` while ``work`` goes on, and end both."""
    task = asyncio.ensure_future(work)
    try:
        await then()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_once_types_once_and_takes_the_focus() -> None:
    one = scene(replace(KEY, window_title="Notes"))
    await one.macro.run()
    assert one.hand.asked == [{"handle": 0, "title": "Notes", "take": True, "keys": "a"}]
    assert one.lines == ["pressed a"]
    assert one.macro.total == "it typed 1 time"


async def test_a_change_counts_at_once_and_takes_the_focus_again() -> None:
    one = scene(replace(CONTINUOUS, interval_ms=3_600_000))

    async def then() -> None:
        await until(lambda: one.hand.asked)
        one.macro.change({"macro_type": "text", "text": "ü", "interval_ms": 50})
        await until(lambda: len(one.hand.asked) > 2)
        assert [asked["take"] for asked in one.hand.asked[:3]] == [True, True, False]
        assert one.hand.asked[1]["text"] == "ü"
        with pytest.raises(Refused):
            one.macro.change({"text": ""})
        count = len(one.hand.asked)
        await until(lambda: len(one.hand.asked) > count)
        assert one.hand.asked[-1]["text"] == "ü"

    await beside(one.macro.run(), then)


async def test_it_says_once_what_it_waits_for() -> None:
    one = scene(replace(KEY, operation_mode=OperationMode.TRIGGER_ONCE))

    async def then() -> None:
        await until(lambda: one.lines)
        one.macro.change({"interval_ms": 60})
        one.macro.change({"trigger": 1})
        await until(lambda: len(one.lines) == 3)
        assert one.lines == ["waits for its trigger", "pressed a", "waits for its trigger"]
        one.macro.change({"active": False})
        await until(lambda: one.lines[-1] == "rests until it is active again")

    await beside(one.macro.run(), then)


async def test_it_ends_where_it_cannot_type() -> None:
    one = scene(CONTINUOUS, hand=PlayedHand("The window is not there any more."))
    with pytest.raises(CannotType, match="not there any more"):
        await one.macro.run()
    assert (one.lines, one.macro.total) == ([], "it typed nothing")


async def test_two_macros_take_turns() -> None:
    hand, turn = PlayedHand(), asyncio.Lock()
    one, other = scene(CONTINUOUS, hand=hand, turn=turn), scene(CONTINUOUS, hand=hand, turn=turn)

    async def then() -> None:
        await beside(other.macro.run(), lambda: until(lambda: len(hand.asked) > 8))

    await beside(one.macro.run(), then)
    assert not hand.both


async def test_without_a_screen_the_reason_is_told_and_no_process_starts() -> None:
    def nowhere() -> dict[str, str]:
        raise NoScreen("There is no screen here.")

    hand = HandProcess(screen=nowhere)
    with pytest.raises(CannotType, match="There is no screen here"):
        await hand.ask({"handle": 0, "title": "", "take": True, "keys": "a"})
    await hand.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a display that can be gone is one of X11")
async def test_a_display_that_is_gone_is_told_and_the_process_ends_with_its_pipe() -> None:
    before = set(psutil.Process().children())  # of tests that ran here before
    hand = HandProcess(screen=lambda: {"DISPLAY": ":4711", "PATH": os.environ["PATH"]})
    with pytest.raises(CannotType, match="does not let it type"):
        await hand.ask({"handle": 0, "title": "", "take": True, "keys": "a"})
    (child,) = set(psutil.Process().children()) - before
    await hand.close()
    assert not child.is_running()
