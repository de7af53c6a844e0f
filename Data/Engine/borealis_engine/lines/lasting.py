"""What is done in a stay ends with the stay, wherever it waits; and a stay ends with the way to its device."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Conflict
from borealis_engine.lines.ports import Place
from borealis_engine.lines.stays import Stay

NO_TUNNEL: Final = "The tunnel to the device was closed."


@contextlib.asynccontextmanager
async def while_it_lasts(stay: Stay, code: str) -> AsyncIterator[Callable[[], None]]:
    """Do something for as long as a stay lasts. Gives what ends it too, which never waits.

    Raises:
        Conflict: ``code``: the stay, or whoever has what was given, ended it.
    """
    try:
        async with asyncio.timeout(None) as limit:
            is_done = False

            def give_up() -> None:
                if not is_done:
                    limit.reschedule(0)

            stay.on_over(give_up)
            try:
                yield give_up
            finally:
                is_done = True
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Conflict(code, stay.reason or "It was ended.") from error


@contextlib.asynccontextmanager
async def beside(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this meanwhile. What is raised goes on as it is: a task group would wrap it, and the door reads it."""
    failure: Exception | None = None
    async with Supervisor() as tasks:
        tasks.start(name, work)
        try:
            yield
        except Exception as error:  # noqa: BLE001
            failure = error
    if failure is not None:
        raise failure


def ending_with(place: Place, stay: Stay) -> contextlib.AbstractAsyncContextManager[None]:
    """Meanwhile the end of the way is the end of the stay: nothing else would tell, for its packets go nowhere."""
    return beside("see the end of a tunnel", _end_with(place, stay))


async def _end_with(place: Place, stay: Stay) -> None:
    await place.ended.wait()
    stay.end(NO_TUNNEL, lost=True)
