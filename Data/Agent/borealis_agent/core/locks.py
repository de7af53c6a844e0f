"""A lock between the agents of one device, waited for without blocking the loop."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from borealis_base.clock import Clock
from borealis_base.files import exclusive_lock


@contextlib.asynccontextmanager
async def process_lock(
    path: Path, *, timeout: float, clock: Clock, step: float = 0.05, give_up: Callable[[], bool] | None = None
) -> AsyncIterator[bool]:
    """Hold the lock file ``path``; yields true, or false where ``give_up()`` became true first and nothing is held.

    Tried anew each ``step`` seconds instead of in a thread: a thread that is still waiting when we are cancelled
    would take the lock later and keep it.

    Raises:
        TimeoutError: another process held it for ``timeout`` seconds.
        OSError: the file cannot be made.
    """
    deadline = clock.monotonic() + timeout
    while True:
        lock = exclusive_lock(path, timeout=0)
        try:
            lock.__enter__()
        except TimeoutError:
            if give_up is not None and give_up():
                yield False
                return
            if clock.monotonic() >= deadline:
                raise
            await clock.sleep(step)
            continue
        try:
            yield True
        finally:
            lock.__exit__(None, None, None)
        return
