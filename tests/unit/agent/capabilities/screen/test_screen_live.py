"""A live view against an eye and an Engine that a test plays: one frame at a time, and an end for every reason."""

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock

from borealis_agent.capabilities.screen.child import CannotLook
from borealis_agent.capabilities.screen.live import LOST, OVER, watch
from borealis_wire.events import RunContext
from borealis_wire.screen import ScreenAction, ScreenOrder

ORDER = ScreenOrder(
    "o1",
    "GUID",
    RunContext.INTERACTIVE,
    ScreenAction.WATCH,
    DEFAULT_NOW,
    DEFAULT_NOW + 60,
    rate=10.0,
    seconds=5,
)


class StillEye:
    """Sees one picture, and then nothing new; ``fails`` after so many looks."""

    def __init__(self, fails: int = 10**6) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.fails = fails

    async def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        self.asked.append(request)
        if len(self.asked) > self.fails:
            raise CannotLook("the display is gone")
        first = len(self.asked) == 1
        tiles = [[0, 0, 8, 8, 3]] if first else []
        return {"x": 0, "y": 0, "width": 8, "height": 8, "tiles": tiles}, b"abc" if first else b""


class Clock(FakeClock):
    """Time that passes by itself when somebody waits for it."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


async def test_a_screen_that_rests_is_told_seldom_until_the_time_is_over() -> None:
    eye, sent = StillEye(), list[Any]()

    async def send(frame: Any) -> Any:
        sent.append(frame)
        return {"status": "ok"}

    assert await watch(ORDER, eye=eye, send=send, clock=Clock()) == OVER
    assert isinstance(sent[0], tuple)
    assert sent[0][1] == b"abc"
    assert [frame["tiles"] for frame in sent[1:]] == [[]], "word after three seconds that nothing changed"
    assert [request["fresh"] for request in eye.asked][:2] == [True, False]
    assert 20 <= len(eye.asked) <= 45


async def test_it_ends_when_nobody_watches_any_more() -> None:
    async def send(_frame: Any) -> Any:
        return {"status": "gone"}

    eye = StillEye()
    assert await watch(ORDER, eye=eye, send=send, clock=Clock()) == ""
    assert len(eye.asked) == 1


async def test_survives_neither_a_lost_line_nor_a_lost_display_in_silence() -> None:
    async def lost(_frame: Any) -> Any:
        raise TimeoutError

    async def fine(_frame: Any) -> Any:
        return {"status": "ok"}

    assert await watch(ORDER, eye=StillEye(), send=lost, clock=Clock()) == LOST
    assert await watch(ORDER, eye=StillEye(fails=3), send=fine, clock=Clock()) == "the display is gone"
