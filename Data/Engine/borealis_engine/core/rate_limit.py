"""Sliding-window rate limits, bounded in memory: the key least recently used goes first."""

from collections import OrderedDict, deque

from borealis_engine.core.errors import RateLimited


class SlidingWindow:
    """At most ``limit`` events a key in ``window`` seconds.

    Memory is bounded by ``max_keys`` times ``limit`` floats; a flood of new keys forgets old ones, it does
    not grow the process.
    """

    def __init__(self, limit: int, window: float, *, max_keys: int = 10_000) -> None:
        self.limit = limit
        self.window = window
        self.max_keys = max_keys
        self._events: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str, now: float) -> None:
        """Count one event of ``key`` at monotonic second ``now``.

        Raises:
            RateLimited: over the limit; the event is then not counted.
        """
        events = self._events.get(key)
        if events is None:
            events = self._events[key] = deque()
            if len(self._events) > self.max_keys:
                self._events.popitem(last=False)
        else:
            self._events.move_to_end(key)
        while events and events[0] <= now - self.window:
            events.popleft()
        if len(events) >= self.limit:
            raise RateLimited(max(0.1, events[0] + self.window - now))
        events.append(now)
