"""Rolling out: who may, what is sealed for whom, how many at a time, when it stops, and what is on record of it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_base.tasks import Supervisor
from borealis_engine.devices import DeviceAuth
from borealis_engine.operators.permissions import OperatorRole
from borealis_engine.updates import Rollout, Update, UpdateService, UpdateState
from borealis_engine.updates.models import next_step
from borealis_wire.envelope import UPDATE_TYPE, open_envelope
from borealis_wire.events import RunContext
from borealis_wire.updates import UpdateOrder, UpdateStatus, UpdateTold, parse_update

BUILD = "b" * 16
CONTENT = b"what the bootstrap packed"


def put_package(folder: Path) -> None:
    """As ``borealis_bootstrap.package`` leaves it."""
    folder.mkdir(parents=True)
    (folder / "agent-package.tar.gz").write_bytes(CONTENT)
    told = {"build_id": BUILD, "release": "1.0", "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    (folder / "agent-package.json").write_text(json.dumps(told))


class World:
    """An Engine with a package, and devices that answer as a test wants."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.orders: list[UpdateOrder] = []
        self.said: dict[str, Any] = {"status": "accepted"}
        rest.link.sealed_answer = self._hear

    @property
    def updates(self) -> UpdateService:
        return self.rest.services.updates

    async def add(self, name: str, *, site_id: int | None = None, here: bool = True) -> DeviceAuth:
        device = await self.rest.add_device(name, site_id=site_id)
        if here:
            self.rest.link.sessions.add((device.guid, RunContext.SYSTEM))
        return device

    def _hear(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert event == "agent_silent_update"
        keys = {key.key_id: key for key in self.rest.services.signing.public_keys}
        order = parse_update(open_envelope(payload["envelope"], expected_type=UPDATE_TYPE, trusted=keys).payload)
        assert payload["request_id"] == order.request_id
        self.orders.append(order)
        return self.said

    async def begin(self, **body: Any) -> dict[str, Any]:
        answer = await self.rest.owner().post("/api/updates", {"all": True, **body})
        assert answer.status == 201, answer.body
        found: dict[str, Any] = answer.json()["rollout"]
        return found

    async def rollout(self, rollout_id: str, caller: Caller | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (await (caller or self.rest.owner()).get(f"/api/updates/{rollout_id}")).json()
        return found

    async def tell(self, order: UpdateOrder, status: UpdateStatus, error: str = "") -> dict[str, str]:
        return await self.updates.told(order.device_guid, UpdateTold(order.request_id, status.value, error=error))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.orders) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    put_package(tmp_path / "Engine" / "Code")
    async with open_rest(tmp_path / "Engine") as rest, Supervisor() as tasks:
        await rest.people.set_up()
        tasks.start("updates", rest.services.updates.run_loop())
        yield World(rest)
        tasks.cancel_all()


def states(rollout: dict[str, Any]) -> list[str]:
    return sorted(one["state"] for one in rollout["updates"])


async def test_an_order_is_sealed_for_one_device_and_names_the_package(world: World) -> None:
    device = await world.add("alpha")
    begun = await world.begin()
    await world.until(1)
    (order,) = world.orders
    assert (order.device_guid, order.build_id, order.allow_older) == (device.guid, BUILD, False)
    assert 0 < order.expires_at - order.issued_at <= 600
    package = await world.rest.device(device).get(f"/api/agent/update/{order.sha256}")
    assert (package.status, package.body, order.size) == (200, CONTENT, len(CONTENT))
    assert await world.tell(order, UpdateStatus.STARTED) == {"status": "ok"}
    assert states(await world.rollout(begun["rollout_id"])) == ["started"]
    await world.tell(order, UpdateStatus.INSTALLED)
    async with asyncio.timeout(10):
        while (await world.rollout(begun["rollout_id"]))["state"] != "done":
            await asyncio.sleep(0.01)
    entries = [entry for entry in await world.rest.people.entries() if entry.action == "agent.update"]
    assert [(entry.actor, entry.target) for entry in entries] == [("owner", device.guid)]
    assert world.updates.statistics() == {"rollouts": 0, "under_way": 0}


async def test_few_at_a_time_and_no_further_one_after_one_that_went_wrong(world: World) -> None:
    for name in "abcde":
        await world.add(name)
    begun = await world.begin(at_once=2)
    await world.until(2)
    await asyncio.sleep(0.05)
    assert len(world.orders) == 2, "two at a time"
    await world.tell(world.orders[0], UpdateStatus.INSTALLED)
    await world.until(3)
    await world.tell(world.orders[1], UpdateStatus.ROLLED_BACK, "it crashed")
    async with asyncio.timeout(10):
        while (await world.rollout(begun["rollout_id"]))["state"] != "stopped":
            await asyncio.sleep(0.01)
    rollout = await world.rollout(begun["rollout_id"])
    assert states(rollout) == ["cancelled", "cancelled", "installed", "ordered", "rolled_back"]
    assert rollout["reason"] == "1 of its updates went wrong."
    # What was begun before is told to its end all the same.
    await world.tell(world.orders[2], UpdateStatus.INSTALLED)
    assert "ordered" not in states(await world.rollout(begun["rollout_id"]))
    assert world.updates.statistics()["rollouts"] == 0


async def test_a_device_that_is_away_gets_its_order_when_it_comes(world: World) -> None:
    device = await world.add("alpha", here=False)
    begun = await world.begin()
    await asyncio.sleep(0.05)
    assert states(await world.rollout(begun["rollout_id"])) == ["queued"]
    world.rest.link.sessions.add((device.guid, RunContext.SYSTEM))
    await world.until(1)


async def test_an_order_that_may_be_lost_is_sent_again_after_a_restart_and_its_outcome_still_counts(
    world: World,
) -> None:
    await world.add("alpha")
    begun = await world.begin()
    await world.until(1)
    world.said = {"status": "refused", "reason": "replayed"}
    await world.updates.start()
    world.updates._wake.set()
    await world.until(2)
    assert world.orders[0].request_id == world.orders[1].request_id
    await asyncio.sleep(0.05)
    assert states(await world.rollout(begun["rollout_id"])) == ["ordered"], "it had the order: its outcome is to come"
    await world.tell(world.orders[0], UpdateStatus.INSTALLED)
    assert states(await world.rollout(begun["rollout_id"])) == ["installed"]


@pytest.mark.parametrize(
    ("reason", "state"),
    [("older_release", "refused"), ("not_updatable", "refused"), ("busy", "queued"), ("x", "refused")],
)
async def test_a_refusal_is_told_with_what_to_do(world: World, reason: str, state: str) -> None:
    await world.add("alpha")
    world.said = {"status": "refused", "reason": reason}
    begun = await world.begin()
    await world.until(1)
    await asyncio.sleep(0.05)
    (update,) = (await world.rollout(begun["rollout_id"]))["updates"]
    assert (update["state"], update["reason"] != "") == (state, True)


async def test_an_operator_stops_a_rollout(world: World) -> None:
    await world.add("alpha", here=False)
    begun = await world.begin()
    owner = world.rest.owner()
    stopped = await owner.post(f"/api/updates/{begun['rollout_id']}/stop")
    assert (stopped.status, stopped.json()["state"], states(stopped.json())) == (200, "stopped", ["cancelled"])
    again = await owner.post(f"/api/updates/{begun['rollout_id']}/stop")
    assert (again.status, again.code) == (409, "rollout_over")
    assert next(entry.action for entry in await world.rest.people.entries()) == "agent.update.stop"


async def test_devices_that_are_up_to_date_or_on_the_way_are_passed_over(world: World) -> None:
    await world.add("alpha")
    await world.begin()
    await world.until(1)
    again = await world.rest.owner().post("/api/updates", {"all": True})
    assert (again.status, again.code) == (409, "nothing_to_update")
    assert "1 being updated" in again.json()["detail"]


async def test_rejects_a_viewer_and_shows_them_what_goes_on(world: World) -> None:
    await world.add("alpha")
    viewer = await world.rest.person("vera", OperatorRole.VIEWER)
    answer = await viewer.post("/api/updates", {"all": True})
    assert (answer.status, answer.code) == (403, "forbidden")
    begun = await world.begin()
    assert (await viewer.post(f"/api/updates/{begun['rollout_id']}/stop")).status == 403
    assert (await viewer.get("/api/updates")).json()["rollouts"][0]["rollout_id"] == begun["rollout_id"]


async def test_rejects_devices_rollouts_and_names_out_of_sight(world: World) -> None:
    north, south = [await world.rest.people.add_site(name) for name in ("north", "south")]
    mine, theirs = await world.add("mine", site_id=north, here=False), await world.add("theirs", site_id=south)
    olga = await world.rest.person("olga", OperatorRole.OPERATOR, sites=frozenset({north}))
    for body in ({"guids": [theirs.guid]}, {"hostnames": ["theirs"]}, {"site_ids": [south]}):
        assert (await olga.post("/api/updates", body)).status == 404
    others = await world.begin(all=False, guids=[theirs.guid])
    assert (await olga.get(f"/api/updates/{others['rollout_id']}")).status == 404
    assert (await olga.post(f"/api/updates/{others['rollout_id']}/stop")).status == 404
    both = await world.begin(all=False, guids=[mine.guid])
    assert [one["device"] for one in (await world.rollout(both["rollout_id"], olga))["updates"]] == ["mine"]
    assert "theirs" not in json.dumps((await olga.get("/api/updates")).json())


async def test_rejects_a_device_that_tells_of_another_ones_update(world: World) -> None:
    await world.add("alpha")
    other = await world.add("beta", here=False)
    begun = await world.begin()
    await world.until(1)
    answer = await world.updates.told(other.guid, UpdateTold(world.orders[0].request_id, "installed"))
    assert answer["ignored"] == "unknown_update"
    assert "installed" not in states(await world.rollout(begun["rollout_id"]))


async def test_rejects_an_outcome_after_the_outcome(world: World) -> None:
    await world.add("alpha")
    begun = await world.begin()
    await world.until(1)
    await world.tell(world.orders[0], UpdateStatus.ROLLED_BACK, "why")
    await world.tell(world.orders[0], UpdateStatus.INSTALLED)
    assert states(await world.rollout(begun["rollout_id"])) == ["rolled_back"]


async def test_rejects_a_digest_that_is_not_handed_out(world: World) -> None:
    device = await world.add("alpha")
    caller = world.rest.device(device)
    assert (await caller.get(f"/api/agent/update/{'a' * 64}")).code == "package_not_found"
    for odd in ("A" * 64, "..%2f..%2fdatabase.db", "x"):
        assert (await caller.get(f"/api/agent/update/{odd}")).status in {400, 404}
    assert (await world.rest.owner().get(f"/api/agent/update/{'a' * 64}")).status in {401, 403}


@pytest.mark.parametrize("torn", ["altered", "missing", "odd"])
async def test_rejects_to_hand_out_a_package_that_is_not_whole(world: World, tmp_path: Path, torn: str) -> None:
    await world.add("alpha")
    folder = tmp_path / "Engine" / "Code"
    if torn == "altered":
        archive = folder / "agent-package.tar.gz"
        archive.write_bytes(archive.read_bytes()[:-1])
    elif torn == "missing":
        (folder / "agent-package.tar.gz").unlink()
    else:
        (folder / "agent-package.json").write_text("[]")
    answer = await world.rest.owner().post("/api/updates", {"all": True})
    assert (answer.status, answer.code) == (409, "no_package")


def rollout_of(*of: UpdateState, at_once: int = 2, stop_after: int = 1) -> Rollout:
    made = Rollout("r", BUILD, "1", "a" * 64, 1, False, at_once, stop_after, "owner", 0.0)
    for number, state in enumerate(of):
        made.updates[str(number)] = Update(str(number), "r", f"G{number}", "", state, 0.0, 0.0)
    return made


QUEUED, ORDERED, DONE, BACK = (
    UpdateState.QUEUED,
    UpdateState.ORDERED,
    UpdateState.INSTALLED,
    UpdateState.ROLLED_BACK,
)


@pytest.mark.parametrize(
    ("rollout", "send", "stops", "done"),
    [
        (rollout_of(QUEUED, QUEUED, QUEUED), ["0", "1"], False, False),
        (rollout_of(ORDERED, QUEUED, QUEUED), ["1"], False, False),
        (rollout_of(ORDERED, ORDERED, QUEUED), [], False, False),
        (rollout_of(DONE, DONE), [], False, True),
        (rollout_of(DONE, BACK), [], False, True),
        (rollout_of(BACK, QUEUED), [], True, False),
        (rollout_of(BACK, QUEUED, stop_after=2), ["1"], False, False),
        (rollout_of(BACK, BACK, QUEUED, stop_after=2), [], True, False),
        (rollout_of(ORDERED), [], False, False),
    ],
)
def test_what_is_next(rollout: Rollout, send: list[str], stops: bool, done: bool) -> None:
    step = next_step(rollout, frozenset({"G0", "G1", "G2"}))
    assert ([one.request_id for one in step.send], bool(step.stop), step.done) == (send, stops, done)


def test_who_cannot_hear_is_passed_over() -> None:
    assert [one.guid for one in next_step(rollout_of(QUEUED, QUEUED, QUEUED), frozenset({"G2"})).send] == ["G2"]
