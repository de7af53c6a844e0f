"""The fleet at a glance: counted right, sampled on the dot, kept within bounds, and never beyond one's sites."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_engine.devices import DeviceQuery
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_engine.overview import Counts
from borealis_engine.overview.counting import FINE_SLOTS, HOURLY, count_by_site, current_build, step_for
from borealis_engine.overview.models import SLOT_SECONDS
from borealis_wire.events import RunContext


@dataclass
class Device:
    """What is counted of a device."""

    site_id: int | None = None
    status: str = "active"
    online: bool = True
    agent_build_id: str = "b"
    has_agent: bool = True


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    """Nobody is set up yet; there is no device."""
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


@pytest.fixture
async def ada(rest: Rest) -> Caller:
    """The first operator, signed in."""
    return rest.signed_in(await rest.people.set_up())


async def add_site(rest: Rest, ada: Caller, name: str) -> int:
    return int((await ada.post("/api/sites", {"name": name})).json()["id"])


async def overview(caller: Caller, query: str = "") -> dict[str, Any]:
    answer = await caller.get(f"/api/overview{query}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def test_devices_are_counted_by_site_and_kind() -> None:
    devices = [
        Device(1),
        Device(1, online=False, agent_build_id="a"),
        Device(1, status="quarantined"),
        Device(2, status="revoked", agent_build_id="a"),
        Device(None, status="decommissioned", online=False),
        Device(None, agent_build_id=""),
    ]
    assert count_by_site(devices, "b") == {
        1: Counts(online=2, offline=1, quarantined=1, outdated=1),
        2: Counts(revoked=1),
        0: Counts(online=1, revoked=1),
    }
    assert sum(count_by_site(devices, "").values(), Counts()).outdated == 0
    assert count_by_site([Device(has_agent=False)], "b") == {}, "it is neither here nor away"


def test_what_most_agents_that_are_there_have_is_up_to_date() -> None:
    builds = ["a", "b", "b", ""]
    assert current_build([Device(agent_build_id=build) for build in builds]) == "b"
    assert current_build([Device(agent_build_id="a", online=False)]) == ""
    assert current_build([Device(agent_build_id="a"), Device(agent_build_id="b")]) == "b"


@given(st.integers(1, 30 * 24))
def test_a_plot_has_few_points_and_only_such_as_are_kept(hours: int) -> None:
    step = step_for(hours)
    assert hours * HOURLY / step <= 300
    assert hours * HOURLY <= FINE_SLOTS or step % HOURLY == 0


async def test_the_fleet_is_counted_within_the_sites_of_who_looks(rest: Rest, ada: Caller) -> None:
    oslo, rome = await add_site(rest, ada, "Oslo"), await add_site(rest, ada, "Rome")
    north = await rest.add_device("north", site_id=oslo)
    south = await rest.add_device("south", site_id=rome)
    await rest.add_device("lost")
    rest.services.devices.session_opened(north.guid, RunContext.SYSTEM, "")
    await ada.post(f"/api/devices/{south.guid}/quarantine")
    await rest.services.overview.sample()
    sam = await rest.person("sam", OperatorRole.VIEWER, sites=frozenset({rome}))
    whole, part = await overview(ada), await overview(sam)
    assert whole["devices"] == {
        "total": 3,
        "online": 1,
        "offline": 2,
        "quarantined": 1,
        "revoked": 0,
        "outdated": 0,
    }
    assert (part["devices"]["total"], part["devices"]["quarantined"]) == (1, 1)
    for found in (whole, part, await overview(ada, f"?site_id={oslo}")):
        (point,) = found["series"]["points"]
        assert {name: point[name] for name in ("online", "offline", "quarantined")} == {
            name: found["devices"][name] for name in ("online", "offline", "quarantined")
        }
    assert (await sam.get(f"/api/overview?site_id={oslo}")).code == "site_not_found"
    nowhere = await rest.person("nick", OperatorRole.VIEWER, sites=frozenset())
    nothing = await overview(nowhere)
    assert nothing["devices"]["total"] == 0
    assert [point["offline"] for point in nothing["series"]["points"]] == [0]


async def test_runs_of_a_day_are_counted_by_status_within_sites(rest: Rest, ada: Caller) -> None:
    oslo = await add_site(rest, ada, "Oslo")
    await rest.add_device("north", site_id=oslo)
    await rest.add_device("lost")
    body = {"script_content": "true", "script_type": "bash", "all": True}
    assert (await ada.post("/api/scripts/quick_run", body)).status == 200
    await rest.people.db.write(lambda c: c.execute(text("UPDATE runs SET status = 'Failed' WHERE hostname = 'lost'")))
    await rest.services.overview.sample()
    sam = await rest.person("sam", OperatorRole.VIEWER, sites=frozenset({oslo}))
    whole, part = await overview(ada), await overview(sam)
    assert (whole["runs_24h"], part["runs_24h"]) == ({"Failed": 1, "Pending": 1}, {"Pending": 1})
    assert [(p["runs"], p["failed"]) for found in (whole, part) for p in found["series"]["points"]] == [(2, 1), (1, 0)]
    rest.people.clock.advance(24 * 3600 + 1)
    late = rest.signed_in(await rest.people.sign_in())
    assert (await overview(late))["runs_24h"] == {}


async def test_rejects_numbers_that_a_token_may_not_read(rest: Rest, ada: Caller) -> None:
    await rest.services.overview.sample()
    program = await rest.token("ada", Permission.DEVICES_READ)
    found = await overview(program)
    assert (found["waiting"], found["runs_24h"]) == (None, None)
    (point,) = found["series"]["points"]
    assert (point["waiting"], point["runs"], point["failed"]) == (None, None, None)
    assert (await overview(ada))["waiting"] == 0


async def test_samples_are_taken_every_five_minutes_on_the_dot(rest: Rest, ada: Caller) -> None:
    clock = rest.people.clock
    loop = asyncio.ensure_future(rest.services.overview.sample_loop())
    try:
        for _ in range(3):
            await asyncio.sleep(0)
            clock.advance(SLOT_SECONDS)
            async with asyncio.timeout(5):
                before = await rest.people.rows("overview_samples")
                while await rest.people.rows("overview_samples") == before and before < 3:
                    await asyncio.sleep(0.005)
        points = (await overview(ada))["series"]["points"]
    finally:
        loop.cancel()
    assert len(points) >= 2
    assert all(point["at"] % SLOT_SECONDS == 0 for point in points)


async def test_survives_a_clock_set_back_and_keeps_one_sample_for_a_slot(rest: Rest, ada: Caller) -> None:
    await rest.services.overview.sample()
    await rest.add_device("north")
    await rest.services.overview.sample()
    (point,) = (await overview(ada))["series"]["points"]
    assert point["offline"] == 1


async def test_old_samples_grow_sparse_and_go(rest: Rest, ada: Caller) -> None:
    service, clock = rest.services.overview, rest.people.clock
    clock.advance(-(clock.now() % 3600))
    for _ in range(HOURLY + 1):
        await service.sample()
        clock.advance(SLOT_SECONDS)
    assert await rest.people.rows("overview_samples") == HOURLY + 1
    clock.advance(2 * 24 * 3600 + 3600)
    await service.sample()
    assert await rest.people.rows("overview_samples") == 3
    clock.advance(30 * 24 * 3600 + 3600)
    await service.sample()
    assert await rest.people.rows("overview_samples") == 1
    assert len(rest.services.devices.find(rest.people.owner, DeviceQuery())) == 0


@pytest.mark.parametrize("query", ["?hours=0", "?hours=721", "?site_id=0", "?hours=x"])
async def test_rejects_questions_that_make_no_sense(ada: Caller, query: str) -> None:
    assert (await ada.get(f"/api/overview{query}")).status == 400
