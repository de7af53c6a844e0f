"""Ends what is done in a stay when the stay ends, wherever it waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from borealis_engine.core.errors import Conflict
from borealis_engine.lines import Stay


@contextlib.asynccontextmanager
async def while_it_lasts(stay: Stay) -> AsyncIterator[Callable[[], None]]:
    """Do something for as long as a stay lasts. Gives what ends it too, which never waits.

    Raises:
        Conflict: ``files_over``: the stay, or whoever has what was given, ended it.
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
        raise Conflict("files_over", stay.reason or "The transfer was ended.") from error
