"""The machine's clock, and that the fake one behaves like it."""

import asyncio
import time

from tests.fakes.fake_clock import FakeClock

from borealis_base.clock import Clock, SystemClock


async def test_the_system_clock_is_the_machines() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() > before


async def test_the_fake_clock_wakes_sleepers_in_order() -> None:
    clock = FakeClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [
        asyncio.get_running_loop().create_task(sleeper(name, wait)) for name, wait in (("b", 2), ("a", 1), ("c", 9))
    ]
    await clock.advance_and_settle(0)
    assert clock.sleeping == 3
    await clock.advance_and_settle(3)
    assert woken == ["a", "b"]
    before = clock.monotonic()
    clock.set_wall(0)
    assert (clock.now(), clock.monotonic()) == (0, before)
    await clock.advance_and_settle(7)
    assert woken == ["a", "b", "c"]
    await asyncio.gather(*tasks)
