"""Tunnel orders: followed once, by the SYSTEM agent they were sealed for, and by no other hand's word."""

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import DEFAULT_NOW
from tests.fakes.intake_world import IntakeWorld
from tests.fakes.jobs import ENGINE_KEY, GUID, job_payload
from tests.unit.wire.test_wire_tunnel import START, STOP

from borealis_wire.envelope import JOB_TYPE, SCREEN_TYPE, TUNNEL_TYPE, seal
from borealis_wire.events import EngineEvent, RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.tunnel import TunnelStart, TunnelStop

FORGER = SigningKey.from_seed(b"a key that no device has pinned!"[:32])
UP, DOWN = EngineEvent.VPN_TUNNEL_START, EngineEvent.VPN_TUNNEL_STOP


def start(**members: Any) -> TunnelStart:
    return dataclasses.replace(START, **{**_fresh(), **members})


def stop(**members: Any) -> TunnelStop:
    return dataclasses.replace(STOP, **{**_fresh(), **members})


def _fresh() -> dict[str, Any]:
    return {
        "order_id": str(uuid.uuid4()),
        "device_guid": GUID,
        "issued_at": DEFAULT_NOW,
        "expires_at": DEFAULT_NOW + 60,
    }


def sealed(order: TunnelStart | TunnelStop, *, key: SigningKey = ENGINE_KEY, kind: str = TUNNEL_TYPE) -> dict[str, Any]:
    return {"envelope": seal(kind, order.to_payload(), key)}


class World(IntakeWorld):
    """A SYSTEM agent whose role notes what it is told."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.told: list[Any] = []
        for event in (UP, DOWN):
            self.router.listeners[event] = self._take

    def _take(self, payload: Any) -> dict[str, str]:
        self.told.append(payload)
        return {"status": "accepted"}


async def refusal(world: World, payload: Any, event: str = UP) -> str:
    before = len(world.told)
    answer = await world.intake.event_arrived(event, payload)
    assert answer["status"] == "refused"
    assert len(world.told) == before
    return str(answer["reason"])


async def test_the_role_is_told_what_the_envelope_says_whatever_stands_beside_it(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        order = start()
        payload = {**order.to_json(), **sealed(order), "allowed_ips": "0.0.0.0/0", "client_private_key": "x"}
        assert await world.intake.event_arrived(UP, payload) == {"status": "accepted"}
        assert await world.intake.event_arrived(DOWN, sealed(stop())) == {"status": "accepted"}
        assert world.told[0] == order.to_json()
        assert world.told[1]["action"] == "stop"
        assert world.intake.running_ids() == []


async def test_rejects_a_forged_start_and_a_forged_stop(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        for order, event in ((start(), UP), (stop(), DOWN)):
            assert await refusal(world, sealed(order, key=FORGER), event) == "unknown_key"
            signed = sealed(order)
            changed = dataclasses.replace(order, tunnel_id="another")
            signed["envelope"]["payload"] = sealed(changed)["envelope"]["payload"]
            assert await refusal(world, signed, event) == "bad_signature"


async def test_rejects_a_start_that_would_lead_more_into_the_tunnel_even_if_the_engine_signed_it(
    tmp_path: Path,
) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(start(allowed_ips="0.0.0.0/0"))) == "malformed"
        assert await refusal(world, sealed(start(virtual_ip="10.255.0.2/16"))) == "malformed"


@pytest.mark.parametrize("payload", [None, 7, [], {}, {"envelope": None}, start().to_json()])
async def test_rejects_upstreams_orders_without_a_seal(tmp_path: Path, payload: Any) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, payload) == "malformed"
        assert await refusal(world, payload, DOWN) == "malformed"


async def test_rejects_another_devices_order_and_the_user_agents_hand(tmp_path: Path) -> None:
    async with World(tmp_path / "system") as world:
        assert await refusal(world, sealed(start(device_guid=GUID.replace("1", "2")))) == "wrong_device"
    async with World(tmp_path / "user", context=RunContext.INTERACTIVE) as world:
        assert await refusal(world, sealed(start())) == "wrong_context"


async def test_rejects_an_order_that_is_expired_or_not_yet_valid(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        late = start(issued_at=DEFAULT_NOW - 90, expires_at=DEFAULT_NOW - 30)
        assert await refusal(world, sealed(late)) == "expired"
        early = start(issued_at=DEFAULT_NOW + 1000, expires_at=DEFAULT_NOW + 1060)
        assert await refusal(world, sealed(early)) == "not_yet_valid"


async def test_rejects_a_replayed_order_even_after_a_stop_and_a_restart(tmp_path: Path) -> None:
    first = sealed(start())
    async with World(tmp_path) as world:
        assert (await world.intake.event_arrived(UP, first))["status"] == "accepted"
        assert (await world.intake.event_arrived(DOWN, sealed(stop())))["status"] == "accepted"
        assert await refusal(world, first) == "replayed"
    async with World(tmp_path) as world:
        assert await refusal(world, first) == "replayed"


async def test_rejects_an_order_under_the_other_event_and_under_another_type(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert await refusal(world, sealed(stop()), UP) == "unsupported_type"
        assert await refusal(world, sealed(start()), DOWN) == "unsupported_type"
        assert await refusal(world, sealed(start(), kind=SCREEN_TYPE)) == "unsupported_type"
        assert await refusal(world, sealed(start(), kind=JOB_TYPE)) == "unsupported_type"
        assert await refusal(world, {"envelope": job_payload()["envelope"]}) == "unsupported_type"
        answer = await world.intake.job_arrived({**job_payload(), **sealed(start())})
        assert answer == {"status": "refused", "reason": "unsupported_type"}


async def test_an_agent_without_the_role_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        world.router.listeners.clear()
        payload = sealed(start())
        assert await refusal(world, payload) == "unsupported_type"
        world.router.listeners[UP] = world._take
        assert (await world.intake.event_arrived(UP, payload))["status"] == "accepted"
