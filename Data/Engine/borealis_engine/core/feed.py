"""The change feed: what happened, told to whoever shows it. In-process; never the record itself.

A subscriber that is slow loses the oldest events and is told so by ``missed``; it never delays a device.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One event: ``kind`` is an ``OperatorEvent`` value; ``site_id`` and ``device_guid`` decide who may hear it."""

    kind: str
    data: dict[str, Any]
    device_guid: str | None = None
    site_id: int | None = None
    run_id: str | None = None


@dataclass(slots=True, eq=False)
class Subscription:
    """A bounded queue of changes."""

    limit: int
    missed: int = 0
    _queue: deque[Change] = field(default_factory=deque)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, change: Change) -> None:
        """Add a change; drops the oldest one when full."""
        if len(self._queue) >= self.limit:
            self._queue.popleft()
            self.missed += 1
        self._queue.append(change)
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        while True:
            await self._ready.wait()
            while self._queue:
                yield self._queue.popleft()
            self._ready.clear()


class ChangeFeed:
    """Publishes changes to all subscriptions of this process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, change: Change) -> None:
        """Tell everybody; never waits, never raises."""
        for subscription in self._subscriptions:
            subscription.offer(change)

    @contextmanager
    def subscribe(self, *, limit: int = 1000) -> Iterator[Subscription]:
        """Hear changes while the block runs."""
        subscription = Subscription(limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def statistics(self) -> dict[str, int]:
        """How many listen, for debugging."""
        return {"subscriptions": len(self._subscriptions)}
