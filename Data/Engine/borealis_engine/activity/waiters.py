"""Waiting for a run to change without asking the database again and again."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Waiters:
    """Wakes those who wait on a run id. One process; bounded by the number of open requests."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    def wake(self, run_id: str) -> None:
        """Something happened to this run."""
        for event in self._events.get(run_id, ()):
            event.set()

    @contextmanager
    def watch(self, run_ids: Iterable[str]) -> Iterator[asyncio.Event]:
        """An event that is set whenever one of the runs changes; clear it before looking."""
        event, watched = asyncio.Event(), list(run_ids)
        for run_id in watched:
            self._events.setdefault(run_id, set()).add(event)
        try:
            yield event
        finally:
            for run_id in watched:
                events = self._events[run_id]
                events.discard(event)
                if not events:
                    del self._events[run_id]

    def statistics(self) -> dict[str, int]:
        """How many runs are watched, for debugging."""
        return {"watched_runs": len(self._events)}
