"""Keeps what a drop-in does to itself: a call that never comes back, or that wants to end the interpreter.

Owns the one use of SIGALRM in the agent. May be called by: this room. Does not protect from ``os._exit`` and crashes
of C code, which end the process at once: see ``probation``. On Windows there is no alarm; a call that blocks there
blocks the agent until ``app.watchdog`` ends it and whoever watches over it starts it anew.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Generator, Iterator
from types import FrameType
from typing import Any, Final, TypeVar

BLOCK_SECONDS: Final = 10.0
"""How long one step of a role may hold up everything else. Waiting with ``await`` is no step."""
_AGAIN_SECONDS: Final = 1.0

Value = TypeVar("Value")


class RoleBlocked(BaseException):
    """Raised inside of a role's code that holds up the agent. Not an ``Exception``: nobody shall catch it by habit."""


FAULTS: Final = (Exception, SystemExit, KeyboardInterrupt, RoleBlocked)
"""Everything by which a role can fail, and nothing by which we end its work ourselves."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the code inside once it has taken ``seconds``, again and again until it gives way.

    Raises:
        RoleBlocked: it took too long.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    began, armed = time.monotonic(), True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise RoleBlocked(f"it held up the agent for {seconds:g} s; await, or use asyncio.to_thread")

    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        armed = False
        # Whoever had set the timer before us gets it back, less the time that has gone by.
        rest = max(left - (time.monotonic() - began), 0.001) if left else 0.0
        signal.setitimer(signal.ITIMER_REAL, rest, interval)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


class _Steps:
    """Awaits something with a limit on each of its steps, not on the time that it waits."""

    def __init__(self, work: Awaitable[Any], seconds: float) -> None:
        self._work = work
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Any = self._work.__await__()
        error: BaseException | None = None
        while True:
            try:
                with time_limit(self._seconds):
                    waited = next(inner) if error is None else inner.throw(error)
            except StopIteration as end:
                return end.value
            try:
                yield waited
                error = None
            except BaseException as thrown:  # noqa: BLE001  # cancellation too: it is the role's to hear
                error = thrown


async def patiently(value: Any, seconds: float = BLOCK_SECONDS) -> Any:
    """Await ``value`` if it can be awaited (hooks of roles are sync or async), with a limit on each step.

    Raises:
        RoleBlocked: a step took longer than ``seconds``.
    """
    return await _Steps(value, seconds) if isinstance(value, Awaitable) else value


def words(error: BaseException) -> str:
    """An error for the log and for operators."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
