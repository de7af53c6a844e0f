"""Operators on real sockets: each hears what its rights allow, and a slow one delays nobody."""

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest
from tests.fakes.gateway_world import GUID, World, transport_of, until

from borealis_engine.core.errors import Unavailable
from borealis_engine.core.feed import Change
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_wire.events import OperatorEvent


def listening(client: Any) -> list[tuple[str, Any]]:
    """Everything a client hears from now on."""
    heard: list[tuple[str, Any]] = []
    client.on("*", lambda event, data=None: heard.append((event, data)))
    return heard


def change(kind: str = "device_changed", *, site: int | None = 1, run: str | None = None, **data: Any) -> Change:
    return Change(kind, data, GUID, site, run)


def more_than(heard: list[Any], number: int) -> bool:
    return len(heard) > number


async def test_changes_arrive(world: World) -> None:
    world.sign_in()
    heard = listening(await world.operator())
    world.feed.publish(change(number=1))
    await until(lambda: heard == [("device_changed", {"number": 1})])


async def test_personal_tokens_and_the_owner_may_listen(world: World) -> None:
    for token in ("bor_pat_x", "bor_owner_x"):
        world.sign_in(token)
        client = world.client()
        await world.connect(client, {"Authorization": f"Bearer {token}"})
        heard = listening(client)
        world.feed.publish(change(number=1))
        await until(partial(len, heard))


async def test_sites_and_rights_decide_what_is_heard(world: World) -> None:
    world.sign_in("limited", OperatorRole.VIEWER, sites=frozenset({1}))
    world.sign_in("scoped", OperatorRole.ADMIN, scopes=frozenset({Permission.RUNS_READ}))
    limited, scoped = listening(await world.operator("limited")), listening(await world.operator("scoped"))
    world.feed.publish(change(site=2, number=1))
    world.feed.publish(change(site=None, number=2))
    world.feed.publish(change("no_such_kind", number=3))
    world.feed.publish(change("approvals_changed", number=4))
    world.feed.publish(change("device_activity_changed", number=5))
    await until(lambda: limited and scoped)
    await asyncio.sleep(0.05)
    assert [data["number"] for _, data in limited] == [4, 5]
    assert [data["number"] for _, data in scoped] == [5]


async def test_live_output_goes_to_those_who_watch(world: World) -> None:
    world.sign_in("s1")
    world.sign_in("s2")
    one, two = await world.operator("s1"), await world.operator("s2")
    heard, other = listening(one), listening(two)
    assert await one.call("watch_run", {"run_id": "run-1"}, timeout=5) == {"status": "ok"}
    world.feed.publish(change(OperatorEvent.RUN_OUTPUT, run="run-1", seq=0))
    world.feed.publish(change(OperatorEvent.RUN_OUTPUT, run="run-2", seq=0))
    await until(lambda: heard)
    assert await one.call("unwatch_run", {"run_id": "run-1"}, timeout=5) == {"status": "ok"}
    world.feed.publish(change(OperatorEvent.RUN_OUTPUT, run="run-1", seq=1))
    world.feed.publish(change(number=9))
    await until(lambda: len(heard) > 1)
    assert heard == [("quick_job_output", {"seq": 0}), ("device_changed", {"number": 9})]
    assert other == [("device_changed", {"number": 9})]


@pytest.mark.parametrize("body", [{}, {"run_id": ""}, {"run_id": "x" * 65}, {"run_id": "r", "more": 1}, None, []])
async def test_rejects_watch_requests_of_another_form(world: World, body: Any) -> None:
    world.sign_in()
    client = await world.operator()
    assert (await client.call("watch_run", body, timeout=5))["error"] == "invalid_request"


async def test_rejects_watching_without_end(world: World) -> None:
    world.sign_in()
    world.runs.sites.update({f"r{number}": 1 for number in range(65)})
    client = await world.operator()
    answers = [await client.call("watch_run", {"run_id": f"r{number}"}, timeout=5) for number in range(65)]
    assert answers[63] == {"status": "ok"}
    assert answers[64]["error"] == "too_many_watched"


async def test_a_signed_out_operator_is_cut(world: World) -> None:
    world.sign_in("s1")
    world.sign_in("s2")
    one, two = await world.operator("s1"), await world.operator("s2")
    world.operators.change("s1", None)
    await until(lambda: not one.connected)
    heard = listening(two)
    world.feed.publish(change(number=1))
    await until(lambda: heard)


async def test_lost_rights_count_at_once(world: World) -> None:
    world.sign_in("s1")
    client = await world.operator("s1")
    heard = listening(client)
    await client.call("watch_run", {"run_id": "run-2"}, timeout=5)
    world.sign_in("s1", OperatorRole.VIEWER, sites=frozenset({1}))
    for listener in world.operators.listeners:
        listener()
    world.feed.publish(change(site=2, number=1))
    world.feed.publish(change(OperatorEvent.RUN_OUTPUT, site=2, run="run-2", seq=0))
    await until(lambda: not any(socket.suspended for socket in world.gateway._hall._sockets))
    world.feed.publish(change(OperatorEvent.RUN_OUTPUT, site=2, run="run-2", seq=1))
    world.feed.publish(change(site=1, number=2))
    await until(lambda: ("device_changed", {"number": 2}) in heard)
    told = [item for item in heard if item[0] != "missed"]
    assert told == [("rights_changed", {}), ("device_changed", {"number": 2})]


async def test_nothing_is_told_while_nobody_can_check(world: World) -> None:
    world.sign_in("s1")
    client = await world.operator("s1")
    heard = listening(client)
    world.operators.error = Unavailable("database_unavailable", "gone")
    world.operators.change("s1", world.operators.principals["s1"])
    world.feed.publish(change(number=1))
    await asyncio.sleep(0.1)
    assert heard == []
    assert client.connected
    world.operators.error = None
    world.operators.change("s1", world.operators.principals["s1"])
    await until(lambda: heard == [("device_changed", {"number": 1})])


@pytest.mark.slow
async def test_survives_a_browser_that_does_not_read(world: World) -> None:
    """It loses events and is told so; others hear everything, and the Engine keeps a bounded amount for it."""
    world.sign_in("slow")
    world.sign_in("quick")
    quick = listening(await world.operator("quick"))
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    headers = world.cookie("slow")
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers, max_msg_size=0) as slow:
        await slow.receive()
        await slow.send_str("40")
        await slow.receive()
        transport = transport_of(slow)
        transport.pause_reading()
        for number in range(3000):
            world.feed.publish(change(number=number, pad="x" * 20_000))
            if number % 50 == 0:
                await until(partial(more_than, quick, number))
        await until(partial(more_than, quick, 2999))
        assert world.gateway.statistics()["operator_missed"] > 0
        (stuck,) = [one for one in world.gateway._hall._sockets if one.identity.secret == "slow"]
        assert stuck._chars <= 2 * 1024 * 1024 + 30_000
        transport.resume_reading()
        seen = missed = 0
        async with asyncio.timeout(10):
            while seen + missed < 3000:
                text = (await slow.receive()).data
                if text.startswith('42["missed"'):
                    missed += int(text.partition('"count":')[2].rstrip("}]"))
                elif text.startswith("42"):
                    seen += 1
    assert missed > 0
    assert seen > 0
