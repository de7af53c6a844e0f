"""The lock between the agents of a device."""

import asyncio
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.core.locks import process_lock


async def test_one_waits_for_the_other(tmp_path: Path) -> None:
    clock, order = FakeClock(auto=True), []

    async def work(name: str) -> None:
        async with process_lock(tmp_path / "lock", timeout=1000, clock=clock) as held:
            assert held
            order.append(f"{name} in")
            await asyncio.sleep(0.01)
            order.append(f"{name} out")

    await asyncio.gather(work("a"), work("b"))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


async def test_waiting_has_an_end(tmp_path: Path) -> None:
    clock = FakeClock(auto=True)
    async with process_lock(tmp_path / "lock", timeout=1, clock=clock):
        with pytest.raises(TimeoutError):
            async with process_lock(tmp_path / "lock", timeout=180, clock=clock, step=1.0):
                pass
    assert 179 <= sum(clock.slept) <= 182


async def test_waiting_ends_when_it_has_become_needless(tmp_path: Path) -> None:
    clock = FakeClock(auto=True)
    async with process_lock(tmp_path / "lock", timeout=1, clock=clock):
        answers = iter([False, False, True])
        async with process_lock(tmp_path / "lock", timeout=180, clock=clock, give_up=lambda: next(answers)) as held:
            assert not held


async def test_survives_cancellation_while_waiting(tmp_path: Path) -> None:
    clock = FakeClock()
    async with process_lock(tmp_path / "lock", timeout=1, clock=clock):

        async def wait() -> None:
            async with process_lock(tmp_path / "lock", timeout=180, clock=clock):
                raise AssertionError("the lock was held twice")

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(wait())
            await asyncio.sleep(0)
            waiting.cancel()
    async with process_lock(tmp_path / "lock", timeout=0, clock=clock) as held:
        assert held
