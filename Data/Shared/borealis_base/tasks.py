"""Every background task belongs to one supervisor: its failure is seen, its end is awaited."""

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

log = logging.getLogger(__name__)


class Supervisor:
    """An ``asyncio.TaskGroup`` that can be closed from inside.

    A task started with ``vital=True`` that fails takes the program down; any other failure is logged.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel_all()
        await self._group.__aexit__(kind, error, trace)

    def start(self, name: str, work: Coroutine[Any, Any, object], *, vital: bool = False) -> asyncio.Task[None]:
        """Run ``work`` in the background under ``name``.

        Raises:
            RuntimeError: outside the ``async with``; ``work`` is closed and never runs.
        """
        wrapped = self._run(name, work, vital)
        try:
            task = self._group.create_task(wrapped, name=name)
        except RuntimeError:
            wrapped.close()
            work.close()
            raise
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Cancelled before its first step, the task never touched ``work``; closing what ended does nothing.
        task.add_done_callback(lambda _: work.close())
        return task

    def cancel_all(self) -> None:
        """Ask every task to end; leaving the ``async with`` waits for them."""
        for task in self._tasks:
            task.cancel()

    def statistics(self) -> dict[str, int]:
        """How many tasks live, for debugging."""
        return {"tasks": len(self._tasks)}

    async def _run(self, name: str, work: Coroutine[Any, Any, object], vital: bool) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("task %s failed", name)
            if vital:
                raise
