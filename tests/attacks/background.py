"""An event loop in a thread of its own, so that a test may block while its sockets go on."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class Background:
    """Runs coroutines of sockets and servers for tests that are written in plain order."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="sockets", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Value], *, seconds: float = 30.0) -> Value:
        """Wait for a coroutine that runs over there; what it raises is raised here."""

        async def bounded() -> Value:
            async with asyncio.timeout(seconds):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self.loop).result(seconds + 5)

    def close(self) -> None:
        """End the loop and everything that still runs on it."""
        self.run(self._end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
