"""A clock that moves only when a test says so."""

import asyncio
import heapq
import itertools

DEFAULT_NOW = 1_760_000_000.0


class FakeClock:
    """Implements ``borealis_base.clock.Clock``.

    ``sleep`` waits until ``advance`` has carried the clock past its end; with ``auto=True`` it moves the
    clock itself and returns at once, so that loops with back-off run as fast as they can.
    """

    def __init__(self, now: float = DEFAULT_NOW, *, auto: bool = False) -> None:
        self.auto = auto
        self.slept: list[float] = []
        self._now = now
        self._monotonic = 1000.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait for ``advance``, or move on at once with ``auto``."""
        self.slept.append(seconds)
        if self.auto:
            self.advance(max(seconds, 0))
            await asyncio.sleep(0)
            return
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Let time pass and wake whoever slept long enough."""
        self._now += seconds
        self._monotonic += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def advance_and_settle(self, seconds: float, *, turns: int = 20) -> None:
        """``advance``, then let woken tasks run."""
        self.advance(seconds)
        for _ in range(turns):
            await asyncio.sleep(0)

    def set_wall(self, now: float) -> None:
        """Somebody sets the wall clock; the steady clock goes on."""
        self._now = now

    @property
    def sleeping(self) -> int:
        """How many wait for time to pass."""
        return sum(not future.done() for _, _, future in self._sleepers)
