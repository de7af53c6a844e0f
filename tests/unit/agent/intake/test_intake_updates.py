"""Orders to update: followed once, for this device, by a trusted key, to no older release; by nobody else's word."""

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW
from tests.fakes.intake_world import IntakeWorld
from tests.fakes.jobs import ENGINE_KEY, GUID, job_payload

from borealis_agent.updating.judging import check_order
from borealis_base.trial import Build, Update
from borealis_wire.envelope import SCREEN_TYPE, UPDATE_TYPE, seal
from borealis_wire.events import EngineEvent, RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.refusal import Refused
from borealis_wire.updates import UpdateOrder

FORGER = SigningKey.from_seed(b"a key that no device has pinned!"[:32])
EVENT = EngineEvent.AGENT_SILENT_UPDATE


class FakeUpdater:
    """Follows everything, and remembers it; judged as by the real one."""

    def __init__(self) -> None:
        self.followed: list[UpdateOrder] = []
        self.release = "1.0"
        self.starter = "python3"
        self.update: Update | None = None

    def check(self, order: UpdateOrder) -> None:
        check_order(order, running="0" * 16, release=self.release, starter=self.starter, update=self.update)

    def follow(self, order: UpdateOrder) -> None:
        self.followed.append(order)


def order(**members: Any) -> UpdateOrder:
    made = UpdateOrder(
        request_id=str(uuid.uuid4()),
        device_guid=GUID,
        build_id="1" * 16,
        release="1.0",
        sha256="a" * 64,
        size=1000,
        allow_older=False,
        issued_at=DEFAULT_NOW,
        expires_at=DEFAULT_NOW + 600,
    )
    return dataclasses.replace(made, **members)


def sealed(made: UpdateOrder, *, key: SigningKey = ENGINE_KEY, kind: str = UPDATE_TYPE) -> dict[str, Any]:
    return {
        "request_id": made.request_id,
        "target_hostname": "anything",
        "envelope": seal(kind, made.to_payload(), key),
    }


class World(IntakeWorld):
    """A SYSTEM agent that could update."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.updater = FakeUpdater()
        super().__init__(folder, updater=lambda: self.updater, **options)


async def refusal(world: World, payload: Any) -> str:
    answer = await world.intake.event_arrived(EVENT, payload)
    assert answer["status"] == "refused"
    assert world.updater.followed == []
    assert world.router.told == [], "a sealed event reaches no role"
    return str(answer["reason"])


async def test_a_sealed_order_is_followed_as_the_envelope_says(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        made = order()
        payload = {**sealed(made), "request_id": "another", "build_id": "f" * 16}
        assert await world.intake.event_arrived(EVENT, payload) == {"status": "accepted"}
        assert world.updater.followed == [made]


async def test_rejects_an_update_that_is_forged_or_not_signed(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(), key=FORGER)) == "unknown_key"
        altered = sealed(order())
        altered["envelope"]["payload"] = sealed(order(sha256="b" * 64))["envelope"]["payload"]
        assert await refusal(world, altered) == "bad_signature"
        bare = sealed(order())
        bare["envelope"]["signatures"] = []
        assert await refusal(world, bare) == "bad_signature"


@pytest.mark.parametrize("payload", [None, 7, [], {}, {"request_id": "r", "target_hostname": "h"}])
async def test_rejects_an_update_without_an_envelope_as_upstream_sends_it(tmp_path: Path, payload: Any) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, payload) == "malformed"


async def test_rejects_an_update_for_another_device(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(device_guid=GUID.replace("1", "2")))) == "wrong_device"


async def test_rejects_an_update_of_the_signed_in_users_agent(tmp_path: Path) -> None:
    async with World(tmp_path, context=RunContext.INTERACTIVE) as world:
        assert await refusal(world, sealed(order())) == "wrong_context"


async def test_rejects_an_update_that_is_expired_or_not_yet_valid(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(issued_at=DEFAULT_NOW - 900, expires_at=DEFAULT_NOW - 1))) == "expired"
        later = DEFAULT_NOW + 1000
        assert await refusal(world, sealed(order(issued_at=later, expires_at=later + 60))) == "not_yet_valid"


async def test_rejects_an_update_that_is_replayed_even_after_a_restart(tmp_path: Path) -> None:
    payload = sealed(order())
    async with World(tmp_path) as world:
        assert (await world.intake.event_arrived(EVENT, payload))["status"] == "accepted"
        world.updater.followed.clear()
        assert await refusal(world, payload) == "replayed"
    async with World(tmp_path) as world:
        assert await refusal(world, payload) == "replayed"


async def test_rejects_an_older_release_unless_the_order_says_so(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.updater.release = "1.10"
        assert await refusal(world, sealed(order(release="1.9"))) == "older_release"
        back = order(release="1.9", allow_older=True)
        assert await world.intake.event_arrived(EVENT, sealed(back)) == {"status": "accepted"}


async def test_rejects_an_update_where_nothing_could_bring_the_old_version_back(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.updater.starter = ""
        assert await refusal(world, sealed(order())) == "not_updatable"


async def test_rejects_a_second_update_while_one_is_not_told_to_its_end(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.updater.update = Update("r", "rolled_back", Build(), Build())
        payload = sealed(order())
        assert await refusal(world, payload) == "busy"
        world.updater.update = None
        assert (await world.intake.event_arrived(EVENT, payload))["status"] == "accepted", "busy is no end"


async def test_rejects_an_envelope_of_another_kind(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, {"envelope": job_payload()["envelope"]}) == "unsupported_type"
        assert await refusal(world, sealed(order(), kind=SCREEN_TYPE)) == "unsupported_type"


async def test_no_job_is_begun_while_the_agent_is_about_to_be_replaced(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.intake.take_no_more(True)
        payload = job_payload()
        assert await world.intake.job_arrived(payload) == {"status": "refused", "reason": "busy"}
        world.intake.take_no_more(False)
        assert (await world.intake.job_arrived(payload))["status"] == "accepted"
        assert world.intake.under_way() == 1


def test_a_refusal_has_words_for_the_operator() -> None:
    with pytest.raises(Refused) as refused:
        check_order(order(), running="source", release="1", starter="", update=None)
    assert "./Borealis.sh up" in refused.value.diagnostics()
