"""Orders to look at the screen: followed once, by the agent they were sealed for, and by no other hand's word."""

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW
from tests.fakes.intake_world import IntakeWorld
from tests.fakes.jobs import ENGINE_KEY, GUID, job_payload

from borealis_wire.envelope import CANCEL_TYPE, SCREEN_TYPE, seal
from borealis_wire.events import EngineEvent, RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.screen import ScreenAction, ScreenOrder

FORGER = SigningKey.from_seed(b"a key that no device has pinned!"[:32])
EVENT = EngineEvent.SCREEN_ORDER


def order(**members: Any) -> ScreenOrder:
    made = ScreenOrder(
        order_id=str(uuid.uuid4()),
        device_guid=GUID,
        context=RunContext.INTERACTIVE,
        action=ScreenAction.PICTURE,
        issued_at=DEFAULT_NOW,
        expires_at=DEFAULT_NOW + 60,
        asked_by="olga",
    )
    return dataclasses.replace(made, **members)


def sealed(look: ScreenOrder, *, key: SigningKey = ENGINE_KEY, kind: str = SCREEN_TYPE) -> dict[str, Any]:
    return {"envelope": seal(kind, look.to_payload(), key)}


class World(IntakeWorld):
    """An interactive agent whose role notes what it is told."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, context=RunContext.INTERACTIVE, **options)
        self.looks: list[Any] = []
        self.router.listeners[EVENT] = self._look

    def _look(self, payload: Any) -> dict[str, str]:
        self.looks.append(payload)
        return {"status": "accepted"}


async def refusal(world: World, payload: Any, event: str = EVENT) -> str:
    answer = await world.intake.event_arrived(event, payload)
    assert answer["status"] == "refused"
    assert world.looks == []
    return str(answer["reason"])


async def test_a_sealed_order_reaches_the_role_with_what_the_envelope_says(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        look = order(monitor=2)
        payload = {**sealed(look), "monitor": 0, "action": "watch"}
        assert await world.intake.event_arrived(EVENT, payload) == {"status": "accepted"}
        assert world.looks == [look.to_json()]
        assert world.intake.running_ids() == []


async def test_rejects_a_look_that_is_forged(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(), key=FORGER)) == "unknown_key"
        signed = sealed(order())
        signed["envelope"]["payload"] = sealed(order(monitor=0))["envelope"]["payload"]
        assert await refusal(world, signed) == "bad_signature"


@pytest.mark.parametrize("payload", [None, 7, [], {}, {"envelope": None}, order().to_json()])
async def test_rejects_a_look_without_a_seal(tmp_path: Path, payload: Any) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, payload) == "malformed"
        assert await refusal(world, payload, EngineEvent.LIST_AGENT_WINDOWS) == "malformed"


async def test_rejects_a_look_for_another_device_or_context(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(device_guid=GUID.replace("1", "2")))) == "wrong_device"
        assert await refusal(world, sealed(order(context=RunContext.SYSTEM))) == "wrong_context"


async def test_rejects_a_look_that_is_expired_or_not_yet_valid(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order(issued_at=DEFAULT_NOW - 90, expires_at=DEFAULT_NOW - 30))) == "expired"
        later = DEFAULT_NOW + 1000
        assert await refusal(world, sealed(order(issued_at=later, expires_at=later + 60))) == "not_yet_valid"


async def test_rejects_a_look_that_is_replayed_even_after_a_restart(tmp_path: Path) -> None:
    payload = sealed(order())
    async with World(tmp_path) as world:
        assert (await world.intake.event_arrived(EVENT, payload))["status"] == "accepted"
        world.looks.clear()
        assert await refusal(world, payload) == "replayed"
    async with World(tmp_path) as world:
        assert await refusal(world, payload) == "replayed"


async def test_rejects_an_envelope_of_another_kind_for_a_look_and_a_look_for_a_job(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, {"envelope": job_payload()["envelope"]}) == "unsupported_type"
        assert await refusal(world, sealed(order(), kind=CANCEL_TYPE)) == "unsupported_type"
        answer = await world.intake.job_arrived({**job_payload(), **sealed(order())})
        assert answer == {"status": "refused", "reason": "unsupported_type"}


async def test_rejects_a_picture_that_comes_as_a_list_of_windows(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(order()), EngineEvent.LIST_AGENT_WINDOWS) == "unsupported_type"


async def test_rejects_a_look_where_no_role_looks(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        look = order(context=RunContext.SYSTEM)
        answer = await world.intake.event_arrived(EVENT, sealed(look))
        assert answer == {"status": "refused", "reason": "unsupported_type"}


async def test_rejects_screenshot_entries_of_agent_config_without_an_order(tmp_path: Path) -> None:
    entry = {"role": "screenshot", "node_id": "n1", "x": 1, "y": 2, "w": 30, "h": 20, "interval": 1000}
    forged = {**entry, "order": order().to_json(), "envelope": sealed(order(), key=FORGER)["envelope"]}
    look = order(action=ScreenAction.WATCH, rate=1.0, seconds=60, node_id="n1")
    good = {**entry, "envelope": sealed(look)["envelope"]}
    async with World(tmp_path) as world:
        roles = [entry, {**entry, "order": order().to_json()}, forged, good, {"role": "macro", "order": 7}]
        await world.intake.event_arrived(EngineEvent.AGENT_CONFIG, {"roles": roles})
        (told,) = world.router.configs
        assert [item.get("order") for item in told] == [None, None, None, look.to_json(), 7]


async def test_survives_a_role_that_does_not_answer(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.router.listeners[EVENT] = lambda _payload: None
        answer = await world.intake.event_arrived(EVENT, sealed(order()))
        assert answer["status"] == "failed"
