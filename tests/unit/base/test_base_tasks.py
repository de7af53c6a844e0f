"""One supervisor owns every task."""

import asyncio
import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_base.backoff import Backoff
from borealis_base.tasks import Supervisor


async def test_leaving_the_block_ends_every_task() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("yes")

    async with Supervisor() as supervisor:
        supervisor.start("one", forever())
        supervisor.start("two", forever())
        await asyncio.sleep(0)
        assert supervisor.statistics() == {"tasks": 2}
    assert ended == ["yes", "yes"]


async def test_survives_a_task_that_fails_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ValueError("no")

    with caplog.at_level(logging.ERROR):
        async with Supervisor() as supervisor:
            await supervisor.start("broken", broken())
    assert "task broken failed" in caplog.text


async def test_a_vital_task_takes_the_program_down() -> None:
    async def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup):
        async with Supervisor() as supervisor:
            supervisor.start("vital", broken(), vital=True)
            await asyncio.Event().wait()


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_delays_stay_within_bounds_and_differ(seed: int, count: int) -> None:
    backoff = Backoff(first=1, longest=60, floor=0.2)
    rng = random.Random(seed)
    delays = [backoff.next_delay(rng) for _ in range(count)]
    assert all(0.2 <= delay <= min(60, 2**index) or delay == 0.2 for index, delay in enumerate(delays))
    backoff.reset()
    assert backoff.next_delay(rng) <= 1
