"""When the machine is looked at, and what is sent of it."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_clock import FakeClock

from borealis_agent.capabilities.inventory.auditor import (
    EXTERNAL_ADDRESS_SECONDS,
    LONGEST_INTERVAL,
    SETTLE_SECONDS,
    SHORTEST_INTERVAL,
    WHOLE_AGAIN_SECONDS,
    Auditor,
    interval_seconds,
)
from borealis_agent.capabilities.inventory.child import Report
from borealis_agent.core.errors import Retryable


def fingerprint(digest: str) -> dict[str, Any]:
    return {"digest": digest, "measured": {}}


class World:
    """A machine with a state, an Engine that may be away, and an auditor between them."""

    def __init__(self, *, url: str = "") -> None:
        self.clock = FakeClock()
        self.machine = "one"
        self.external_ip = ""
        self.sent: list[str] = []
        self.asked: list[Mapping[str, Any] | None] = []
        self.broken: Exception | None = None
        self.away: Exception | None = None
        self.lines: list[str] = []
        self.auditor = Auditor(
            collect=self._collect,
            send=self._send,
            clock=self.clock,
            rng=random.Random(7),
            interval=lambda: SHORTEST_INTERVAL,
            log=self.lines.append,
            external_ip_url=url,
        )

    async def _collect(self, known: Mapping[str, Any] | None, _url: str = "", /) -> Report:
        self.asked.append(known)
        if self.broken is not None:
            raise self.broken
        changed = known is None or known.get("fingerprint") != fingerprint(self.machine)
        address = str((known or {}).get("external_ip") or self.external_ip)
        return Report(
            changed=changed,
            fingerprint=fingerprint(self.machine),
            details=msgspec.Raw(msgspec.json.encode({"is": self.machine}) if changed else b"null"),
            hostname="lab-7",
            complete=["cpu"],
            facts=10,
            milliseconds=90.0,
            notes=[],
            external_ip=address,
        )

    async def _send(self, report: Report) -> None:
        if self.away is not None:
            raise self.away
        self.sent.append(msgspec.json.decode(report.details)["is"])


async def test_the_first_is_sent_at_once_and_the_rest_when_something_changed() -> None:
    world = World()
    assert await world.auditor.audit() == SETTLE_SECONDS
    assert SHORTEST_INTERVAL <= await world.auditor.audit() <= SHORTEST_INTERVAL * 1.05
    world.machine = "two"
    await world.auditor.audit()
    await world.auditor.audit()
    assert world.sent == ["one", "two"]
    assert world.asked[0] is None


async def test_the_loop_looks_at_the_start_then_settled_then_at_intervals() -> None:
    world = World()
    task = asyncio.get_running_loop().create_task(world.auditor.run())
    await world.clock.advance_and_settle(0)
    assert len(world.asked) == 1
    await world.clock.advance_and_settle(SETTLE_SECONDS)
    assert len(world.asked) == 2
    await world.clock.advance_and_settle(SHORTEST_INTERVAL - 1)
    assert len(world.asked) == 2
    await world.clock.advance_and_settle(SHORTEST_INTERVAL)
    assert len(world.asked) == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_survives_an_engine_that_is_away_and_loses_no_change() -> None:
    world = World()
    world.away = Retryable("the Engine cannot be reached")
    delays = [await world.auditor.audit() for _ in range(30)]
    assert all(1.0 <= delay <= SHORTEST_INTERVAL for delay in delays)
    assert world.auditor.health()["state"] == "degraded"
    assert "cannot be reached" in world.auditor.health()["reason"]
    world.machine = "two"
    world.away = None
    assert await world.auditor.audit() == SETTLE_SECONDS
    assert world.sent == ["two"]
    assert world.auditor.health()["state"] == "running"


async def test_survives_a_failed_send_of_a_change_that_was_undone() -> None:
    world = World()
    await world.auditor.audit()
    world.machine, world.away = "two", OSError("cut")
    await world.auditor.audit()
    world.machine, world.away = "one", None
    await world.auditor.audit()
    assert world.sent == ["one"]  # the Engine has it already


async def test_survives_a_collector_that_fails() -> None:
    world = World()
    world.broken = Retryable("the inventory process failed with status 1")
    await world.auditor.audit()
    world.broken = None
    await world.auditor.audit()
    assert world.sent == ["one"]
    assert any("not sent" in line for line in world.lines)


async def test_the_engine_may_ask_for_patience() -> None:
    world = World()
    world.away = Retryable("slow down", retry_after=4000)
    assert await world.auditor.audit() == 4000


async def test_all_is_sent_again_after_a_day() -> None:
    world = World()
    await world.auditor.audit()
    world.clock.advance(WHOLE_AGAIN_SECONDS - 1)
    await world.auditor.audit()
    world.clock.advance(1)
    await world.auditor.audit()
    assert world.sent == ["one", "one"]


async def test_a_clock_that_is_set_changes_nothing() -> None:
    world = World()
    await world.auditor.audit()
    for when in (0.0, 4e9):
        world.clock.set_wall(when)
        await world.auditor.audit()
    assert world.sent == ["one"]


async def test_an_external_address_is_remembered_for_a_while() -> None:
    world = World(url="https://address.example/")
    world.external_ip = "192.0.2.1"
    await world.auditor.audit()
    world.external_ip = "192.0.2.2"
    await world.auditor.audit()
    assert world.asked[1] is not None
    assert world.asked[1]["external_ip"] == "192.0.2.1"
    world.clock.advance(EXTERNAL_ADDRESS_SECONDS)
    await world.auditor.audit()
    await world.auditor.audit()
    assert [known["external_ip"] for known in world.asked[2:] if known] == ["", "192.0.2.2"]


async def test_parts_that_could_not_be_read_show_in_the_health() -> None:
    world = World()
    await world.auditor.audit()
    world.auditor.state.notes = ("users could not be read: X",)
    assert world.auditor.health()["state"] == "degraded"
    assert world.auditor.health()["reason"] == "users could not be read: X"


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        (None, 300),
        (1, 300),
        (5, 300),
        (60, 3600),
        ("30", 1800),
        (7.5, 450),
        ("soon", 300),
        (True, 300),
        (float("nan"), 300),
        (float("inf"), 300),
        (-5, 300),
        (10**9, LONGEST_INTERVAL),
        ([], 300),
    ],
)
def test_the_interval_is_a_setting_within_bounds(setting: Any, seconds: float) -> None:
    assert interval_seconds(setting) == seconds


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.binary()))
def test_any_setting_gives_an_interval(setting: Any) -> None:
    assert SHORTEST_INTERVAL <= interval_seconds(setting) <= LONGEST_INTERVAL
