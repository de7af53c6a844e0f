"""What ends with a stay, and what a stay ends with."""

import asyncio
import time
from typing import Any

import pytest

from borealis_engine.core.errors import Conflict
from borealis_engine.lines import Place, Stay, ending_with, while_it_lasts


def stay() -> Stay:
    nobody: Any = None
    return Stay("s", nobody, None, nobody, "", time.time(), "")


async def test_a_stay_that_ends_ends_what_waits_in_it() -> None:
    one = stay()
    with pytest.raises(Conflict, match="things_over: Somebody ended it"):
        async with while_it_lasts(one, "things_over"):
            asyncio.get_running_loop().call_soon(one.end, "Somebody ended it.")
            await asyncio.Event().wait()
    later = stay()
    async with while_it_lasts(later, "things_over") as give_up:
        pass
    later.end("too late")
    give_up()
    with pytest.raises(TimeoutError):
        async with while_it_lasts(stay(), "things_over"):
            raise TimeoutError


async def test_the_end_of_the_way_ends_a_stay_that_goes_by_it_and_no_other() -> None:
    one, other = stay(), stay()
    place = Place("10.255.0.2", 5900, asyncio.Event())
    async with ending_with(place, other):
        pass
    async with ending_with(place, one):
        place.ended.set()
        async with asyncio.timeout(10):
            await one.over.wait()
    assert (one.reason, one.lost) == ("The tunnel to the device was closed.", True)
    assert not other.over.is_set()


async def test_what_is_raised_meanwhile_comes_as_it_is() -> None:
    with pytest.raises(ConnectionResetError):
        async with ending_with(Place("10.255.0.2", 5900, asyncio.Event()), stay()):
            raise ConnectionResetError
