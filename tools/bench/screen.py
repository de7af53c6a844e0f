"""What a live view costs the agent: an X server, a window that fills it, and the agent's own code that watches it.

The frames are taken at once by nobody: what the Engine and a browser do with them is not in these figures.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil
from tests.programs.desktop import Desktop

from bench.figures import Figure
from borealis_agent.capabilities.screen.child import EyeProcess
from borealis_agent.capabilities.screen.live import watch
from borealis_base.clock import SystemClock
from borealis_base.tasks import Supervisor
from borealis_wire.events import RunContext
from borealis_wire.screen import ScreenAction, ScreenOrder

SECONDS: Final = 10
_AIMS: Final = {"at rest": ("<= 2", ""), "moving": ("<= 35", ">= 10")}
"""Share of a core, and pictures a second."""
WINDOW = Path(__file__).parents[2] / "tests" / "programs" / "window.py"


async def measure(screen: dict[str, str], seconds: int, rate: float) -> tuple[float, float, float]:
    """Frames a second, kilobytes a frame, and the share of a core of agent and child, in percent."""
    sent: list[int] = []

    async def send(frame: Any) -> dict[str, str]:
        if isinstance(frame, tuple):
            sent.append(len(frame[1]))
        return {"status": "ok"}

    async with Supervisor() as tasks:
        eye = EyeProcess(tasks.start, screen=lambda: {**screen, "PATH": os.environ["PATH"]})
        first = {"op": "frame", "monitor": 1, "region": None, "format": "jpeg", "quality": 60, "fresh": True}
        await eye.ask(first)  # started, and its libraries loaded
        before, began = used(), time.monotonic()
        order = ScreenOrder(
            "bench", "bench", RunContext.INTERACTIVE, ScreenAction.WATCH, 0, 1, quality=60, rate=rate, seconds=seconds
        )
        await watch(order, eye=eye, send=send, clock=SystemClock())
        share = (used() - before) / (time.monotonic() - began) * 100
        await eye.close()
        tasks.cancel_all()
    return len(sent) / seconds, sum(sent) / max(len(sent), 1) / 1000, share


def used() -> float:
    """Seconds of processor time of this process and the one that takes pictures."""
    me = psutil.Process()
    eyes = [child for child in me.children() if "screen.eye" in " ".join(child.cmdline())]
    return sum(sum(one.cpu_times()[:2]) for one in (me, *eyes))


def screen_figures(seconds: int = SECONDS) -> list[Figure]:
    """A resting and a moving screen, each watched for so many seconds. Needs Xvfb."""
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Desktop(Path(folder), lambda *words: list(words), owner=(os.getuid(), os.getgid())) as desktop,
    ):
        words = [sys.executable, str(WINDOW), "bench", "204060"]
        environment = {**os.environ, **desktop.environment}
        still = desktop.show([*words, "0", "1280", "720"], environment)
        figures += _watched("at rest", desktop, seconds, 10.0)
        still.terminate()
        still.wait()
        desktop.show([*words, "25", "1280", "720"], environment)
        figures += _watched("moving", desktop, seconds, 12.0)
    return figures


def _watched(name: str, desktop: Desktop, seconds: int, rate: float) -> list[Figure]:
    frames, kilobytes, share = asyncio.run(measure(desktop.environment, seconds, rate))
    share_aim, frames_aim = _AIMS[name]
    how = f"1280x720, asked for {rate:g} pictures a second, over {seconds} s"
    return [
        Figure(f"live view, {name}: pictures", frames, "/s", frames_aim, f"{how}; {kilobytes:.0f} kB each"),
        Figure(f"live view, {name}: processor", share, "% of a core", share_aim, "agent and its child together"),
    ]
