"""Stays: on record from beginning to end, and over when the device, the operator or somebody else says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Rest, open_rest

from borealis_base.tasks import Supervisor
from borealis_engine.activity import RowKind, RunQuery, UseRecorder
from borealis_engine.core.errors import Conflict, EngineError, Forbidden, NotFound, RateLimited, Unavailable
from borealis_engine.devices import DeviceRecord
from borealis_engine.lines import Stay, StayKind, Stays
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal

OLGA = Principal(7, "olga", OperatorRole.OPERATOR)
KIND = StayKind("desktop", "desktop", RowKind.DESKTOP, Permission.DESKTOP, most=2)


@dataclass
class FakeRights:
    """Implements ``lines.Rights``."""

    gone: bool = False
    changed: dict[str, Any] = field(default_factory=dict)
    error: EngineError | None = None
    asked: int = 0

    async def rights_now(self, principal: Principal) -> Principal | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return None if self.gone else replace(principal, **self.changed)


@dataclass
class World:
    rest: Rest
    stays: Stays
    rights: FakeRights
    record: DeviceRecord

    def stay(self, who: Principal = OLGA) -> contextlib.AbstractAsyncContextManager[Stay]:
        return self.stays.stay(who, self.record, name="Desktop", address="192.0.2.1", user="otto", detail={"view": 1})

    async def rows(self) -> list[str]:
        found, _ = await self.rest.services.jobs.history.page(RunQuery(kind="desktop"))
        return [str(one["status"]) for one in found]

    async def audit(self) -> list[tuple[str, str]]:
        found = (await self.rest.owner().get("/api/audit?limit=50")).json()["entries"]
        return [(one["action"], one["actor"]) for one in reversed(found) if one["action"].startswith("desktop.")]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_rest(tmp_path) as rest:
        device = await rest.add_device("alpha")
        services = rest.services
        uses = UseRecorder(
            db=services.db,
            clock=services.clock,
            feed=services.feed,
            randomness=services.randomness,
            activity=services.activity,
        )
        rights = FakeRights()
        stays = Stays(
            KIND,
            devices=services.devices,
            rights=rights,
            uses=uses,
            audit=services.audit,
            clock=services.clock,
            randomness=services.randomness,
        )
        yield World(rest, stays, rights, services.devices.get(OLGA, device.guid))


async def test_a_stay_is_on_record_while_it_lasts_and_after(world: World) -> None:
    async with world.stay() as stay:
        stay.opened = True
        assert await world.rows() == ["Running"]
        assert world.stays.listed(OLGA, world.record.guid.lower()) == [stay]
    assert await world.rows() == ["Completed"]
    assert await world.audit() == [("desktop.open", "olga"), ("desktop.close", "olga")]
    assert (len(world.stays), stay.reason) == (0, "It was closed.")


async def test_a_stay_that_was_never_let_in_failed_and_a_broken_one_was_interrupted(world: World) -> None:
    with pytest.raises(Conflict):
        async with world.stay():
            raise Conflict("desktop_refused", "otto said no.")
    with pytest.raises(asyncio.CancelledError):
        async with world.stay() as stay:
            stay.opened = True
            raise asyncio.CancelledError
    assert sorted(await world.rows()) == ["Failed", "Interrupted"]


async def test_somebody_elses_end_is_told_and_on_record(world: World) -> None:
    told: list[str] = []
    async with world.stay() as stay:
        stay.on_over(lambda: told.append(stay.reason))
        await world.stays.end(replace(OLGA, username="ada"), stay.stay_id, address="192.0.2.2")
        stay.on_over(lambda: told.append("late"))
        stay.end("again")
    assert told == ["ada ended it.", "late"]
    assert ("desktop.end", "ada") in await world.audit()


async def test_rejects_ending_what_is_out_of_sight(world: World) -> None:
    afar = replace(OLGA, sites=frozenset({99}))
    async with world.stay() as stay:
        assert world.stays.listed(afar) == []
        for who, name in ((afar, stay.stay_id), (OLGA, "unknown")):
            with pytest.raises(NotFound) as no:
                await world.stays.end(who, name, address="")
            assert no.value.code == "desktop_not_found"
        assert not stay.over.is_set()


async def test_rejects_more_stays_than_one_operator_may_have(world: World) -> None:
    async with world.stay(), world.stay():
        with pytest.raises(RateLimited):
            async with world.stay():
                pass
        async with world.stay(replace(OLGA, username="ada")):
            pass


async def test_rejects_an_operator_whose_right_went_meanwhile(world: World) -> None:
    for changed in ({"role": OperatorRole.VIEWER}, {"scopes": frozenset({Permission.SHELL})}):
        world.rights.changed = changed
        with pytest.raises(Forbidden):
            async with world.stay():
                pass
    world.rights.gone = True
    with pytest.raises(Forbidden):
        async with world.stay():
            pass
    assert await world.rows() == ["Failed"] * 3


async def test_rights_that_go_end_a_stay_and_a_database_that_is_away_does_not(world: World) -> None:
    async with Supervisor() as tasks:
        tasks.start("ask", world.stays.run_loop())
        async with world.stay() as stay:
            world.rights.error = Unavailable("storage_unavailable", "gone")
            asked = world.rights.asked
            world.stays.rights_changed()
            async with asyncio.timeout(10):
                while world.rights.asked == asked:
                    await asyncio.sleep(0.005)
            assert not stay.over.is_set()
            world.rights.error, world.rights.gone = None, True
            world.stays.rights_changed()
            async with asyncio.timeout(10):
                await stay.over.wait()
        assert stay.reason == "You were signed out, or your rights changed."


async def test_a_device_that_is_revoked_ends_its_stays(world: World) -> None:
    async with world.stay() as stay:
        answer = await world.rest.owner().post(f"/api/devices/{world.record.guid}/revoke")
        assert answer.status == 200, answer.body
        assert stay.over.is_set()
        assert stay.reason == "The device is not active any more."
    with pytest.raises(Conflict) as no:
        world.stays.find_device(OLGA, world.record.guid)
    assert no.value.code == "device_not_active"


async def test_a_device_is_found_by_guid_and_by_upstreams_agent_id(world: World) -> None:
    for name in (world.record.guid, world.record.guid.lower(), f"ALPHA_{world.record.guid}_SYSTEM"):
        assert world.stays.find_device(OLGA, name).guid == world.record.guid


async def test_the_end_of_the_engine_ends_all(world: World) -> None:
    async with world.stay() as stay:
        world.stays.end_all()
        assert (stay.over.is_set(), stay.lost) == (True, True)
