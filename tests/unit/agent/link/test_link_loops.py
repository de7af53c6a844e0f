"""Heartbeats and polling: when, what, and what they do while the Engine is away."""

import asyncio
import random
from typing import Any

from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_http import FakeHttp

from borealis_agent.core.errors import Retryable
from borealis_agent.link import HeartbeatLoop, PollingLoop
from borealis_base.tasks import Supervisor
from borealis_wire.events import Rest


def heartbeat(http: FakeHttp, clock: FakeClock) -> HeartbeatLoop:
    return HeartbeatLoop(
        http=http,  # type: ignore[arg-type]
        clock=clock,
        role_health=lambda: {"device_audit": {"state": "running"}},
        build_id="0123456789abcdef",
        hostname=lambda: "host",
    )


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_the_first_beat_comes_after_15_seconds_then_one_a_minute_and_one_at_each_session() -> None:
    http, clock = FakeHttp(), FakeClock()
    loop = heartbeat(http, clock)
    async with Supervisor() as tasks:
        tasks.start("beats", loop.run())
        await settle()
        await clock.advance_and_settle(14)
        assert http.posted == []
        await clock.advance_and_settle(1)
        assert len(http.posted) == 1
        await settle()
        await clock.advance_and_settle(59)
        assert len(http.posted) == 1
        await clock.advance_and_settle(1)
        assert len(http.posted) == 2
        await settle()
        loop.session_changed(True)
        await settle()
        assert len(http.posted) == 3


async def test_a_beat_says_how_device_and_roles_are() -> None:
    http = FakeHttp()
    await heartbeat(http, FakeClock()).beat()
    ((path, message),) = http.posted
    assert path == Rest.HEARTBEAT
    assert message["guid"] == http.guid
    assert message["roles"] == {"device_audit": {"state": "running"}}
    assert message["metrics"]["service_mode"] == "system"
    assert message["metrics"]["uptime"] > 0
    assert 0 <= message["metrics"]["memory_percent"] <= 100
    assert message["agent_build_id"] == "0123456789abcdef"


async def test_survives_an_engine_that_is_away_and_says_so_once(caplog: Any) -> None:
    http = FakeHttp()
    loop = heartbeat(http, FakeClock())
    http.failure = Retryable("the Engine is away")
    for _ in range(3):
        await loop.beat()
    assert caplog.text.count("the Engine is away") == 1
    http.failure = None
    await loop.beat()
    assert len(http.posted) == 1


class Taker:
    """The part of an inbox that polling uses."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Any, bool]] = []
        self.cancels: list[Any] = []

    async def job_arrived(self, payload: Any, *, polled: bool = False) -> dict[str, Any]:
        self.jobs.append((payload, polled))
        return {"status": "accepted"}

    async def cancel_arrived(self, payload: Any) -> None:
        self.cancels.append(payload)


def polling(http: FakeHttp, inbox: Taker, clock: FakeClock) -> PollingLoop:
    return PollingLoop(http=http, link=None, inbox=inbox, clock=clock, rng=random.Random(0))  # type: ignore[arg-type]


async def test_work_that_is_polled_is_really_taken() -> None:
    http, inbox = FakeHttp(), Taker()
    http.answers[Rest.SCRIPT_REQUEST] = {
        "status": "work",
        "poll_after_ms": 1000,
        "jobs": [{"run_id": "a"}, {"run_id": "b"}],
        "cancels": [{"run_id": "c"}],
    }
    assert await polling(http, inbox, FakeClock()).poll() == 1.0
    assert inbox.jobs == [({"run_id": "a"}, True), ({"run_id": "b"}, True)]
    assert inbox.cancels == [{"run_id": "c"}]
    assert http.posted == [(Rest.SCRIPT_REQUEST, {"guid": http.guid})]


async def test_nobody_polls_while_there_is_a_socket() -> None:
    http, clock = FakeHttp(), FakeClock()
    http.answers[Rest.SCRIPT_REQUEST] = {"status": "idle", "poll_after_ms": 30_000}
    loop = polling(http, Taker(), clock)
    async with Supervisor() as tasks:
        tasks.start("polling", loop.run())
        await settle()
        loop.session_changed(True)
        await clock.advance_and_settle(100)
        assert http.posted == []
        loop.session_changed(False)
        await settle()
        await clock.advance_and_settle(25)
        assert len(http.posted) == 1
        await settle()
        await clock.advance_and_settle(35)
        assert len(http.posted) == 2


async def test_answers_that_make_no_sense_are_no_work() -> None:
    http, inbox = FakeHttp(), Taker()
    for answer in (
        {},
        {"jobs": "x", "cancels": 3, "poll_after_ms": "soon"},
        {"poll_after_ms": -5},
        {"poll_after_ms": 1e12},
    ):
        http.answers[Rest.SCRIPT_REQUEST] = answer
        assert 1 <= await polling(http, inbox, FakeClock()).poll() <= 300
    assert inbox.jobs == []


async def test_survives_an_engine_that_cannot_be_polled() -> None:
    http = FakeHttp()
    http.failure = Retryable("away", retry_after=90)
    assert await polling(http, Taker(), FakeClock()).poll() == 90
