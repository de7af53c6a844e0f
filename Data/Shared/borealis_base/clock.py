"""Time as an argument, so that tests own it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, steady time and sleep."""

    def now(self) -> float:
        """Unix seconds; may jump when somebody sets the clock."""

    def monotonic(self) -> float:
        """Seconds that only go forward; use for durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        await asyncio.sleep(seconds)
