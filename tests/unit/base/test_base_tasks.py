"""One supervisor owns every task."""

import asyncio
import logging

import pytest

from borealis_base.tasks import Supervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise ValueError("no")


async def test_leaving_the_block_ends_every_task() -> None:
    ended = []

    async def tidy() -> None:
        try:
            await forever()
        finally:
            ended.append("yes")

    async with Supervisor() as supervisor:
        supervisor.start("one", tidy())
        supervisor.start("two", tidy())
        await asyncio.sleep(0)
        assert supervisor.statistics() == {"tasks": 2}
    assert ended == ["yes", "yes"]
    assert supervisor.statistics() == {"tasks": 0}


async def test_a_task_that_ended_is_forgotten() -> None:
    async with Supervisor() as supervisor:
        await supervisor.start("short", asyncio.sleep(0))
        await asyncio.sleep(0)
        assert supervisor.statistics() == {"tasks": 0}


async def test_a_task_is_named() -> None:
    async with Supervisor() as supervisor:
        assert supervisor.start("heartbeat", forever()).get_name() == "heartbeat"


async def test_survives_a_task_that_fails_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with Supervisor() as supervisor:
            other = supervisor.start("other", forever())
            await supervisor.start("broken", broken())
            assert not other.done()
    assert "task broken failed" in caplog.text


async def test_a_vital_task_takes_the_program_down_with_its_own_error() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with Supervisor() as supervisor:
            other = supervisor.start("other", forever())
            supervisor.start("vital", broken(), vital=True)
            await forever()
    assert caught.group_contains(ValueError, match="no")
    assert other.cancelled()


async def test_an_error_of_the_body_ends_every_task_and_comes_through() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with Supervisor() as supervisor:
            task = supervisor.start("one", forever())
            await asyncio.sleep(0)
            raise KeyError("body")
    assert caught.group_contains(KeyError)
    assert task.cancelled()


async def test_being_cancelled_from_outside_ends_every_task() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def program() -> None:
        async with Supervisor() as supervisor:
            tasks.append(supervisor.start("one", forever()))
            await forever()

    running = asyncio.get_running_loop().create_task(program())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert tasks[0].cancelled()


async def test_a_task_may_start_another() -> None:
    order = []

    async def second() -> None:
        order.append("second")

    async with Supervisor() as supervisor:

        async def first() -> None:
            order.append("first")
            await supervisor.start("second", second())

        await supervisor.start("first", first())
    assert order == ["first", "second"]


async def test_rejects_work_after_the_end_without_a_stray_coroutine() -> None:
    async with Supervisor() as supervisor:
        pass
    with pytest.raises(RuntimeError):
        supervisor.start("late", forever())  # a coroutine that nobody awaits would be a warning, which is an error here


async def test_a_task_that_was_cancelled_before_it_began_leaves_no_stray_coroutine() -> None:
    async with Supervisor() as supervisor:
        supervisor.start("never began", forever())
