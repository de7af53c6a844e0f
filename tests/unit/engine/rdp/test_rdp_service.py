"""Asking for a remote desktop by REST: upstream's answers, certificates that are known, tickets that are one's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Rest, open_rest

from borealis_engine.core.errors import Conflict, EngineError, NotFound, Unavailable
from borealis_engine.lines import Place
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.rdp import RdpService, target
from borealis_engine.rdp.commands import Programs
from borealis_engine.rdp.target import Shown

SHA, OTHER = "ab" * 32, "cd" * 32


class FakeWay:
    """Implements ``lines.Way``: a place, or an error."""

    def __init__(self) -> None:
        self.error: EngineError | None = None
        self.held = 0

    @contextlib.asynccontextmanager
    async def to(self, *_: Any, port: int, host: str, address: str) -> AsyncIterator[Place]:
        if self.error is not None:
            raise self.error
        self.held += 1
        try:
            yield Place("10.255.0.2", port, asyncio.Event())
        finally:
            self.held -= 1


@dataclass
class World:
    rest: Rest
    rdp: RdpService
    way: FakeWay
    guid: str
    shown: list[Shown]

    async def ask(self, **changes: Any) -> Any:
        body = {"agent_id": self.guid, "protocol": "rdp", "username": "kim", "password": "secret"}
        return await self.rest.owner().post("/api/rdp/session", {**body, **changes})


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with open_rest(tmp_path) as rest:
        device = await rest.add_device("alpha")
        rdp, way, shown = rest.services.rdp, FakeWay(), [Shown(SHA, nla=True)]
        monkeypatch.setattr(rdp, "_way", way)
        monkeypatch.setattr(rdp, "_programs", Programs("/x/xfreerdp", "/x/Xvnc"))

        async def look(place: Place) -> Shown:
            return shown[0]

        monkeypatch.setattr(target, "look", look)
        yield World(rest, rdp, way, device.guid, shown)


async def test_the_answer_is_upstreams_and_more(world: World) -> None:
    answer = await world.ask(width=1001, height=9000)
    told = answer.json()
    assert answer.status == 200
    assert {"token", "ws_url", "expires_at", "virtual_ip", "tunnel_id"} <= set(told)
    assert told["ws_url"].startswith("wss://")
    assert told["ws_url"].endswith(f"/api/rdp/stream?token={told['token']}")
    assert told["expires_at"] - world.rest.services.clock.now() == pytest.approx(120)
    assert (told["virtual_ip"], told["nla"], told["width"], told["height"]) == ("10.255.0.2", True, 1000, 2160)
    assert world.way.held == 0
    assert "secret" not in answer.body.decode()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"agent_id": ""}, 400, "agent_id_required"),
        ({"protocol": "vnc"}, 400, "unsupported_protocol"),
        ({"agent_id": "NOWHERE"}, 404, "device_not_found"),
        ({"username": ""}, 400, "invalid_request"),
    ],
)
async def test_rejects_with_upstreams_codes(world: World, changes: dict[str, Any], status: int, code: str) -> None:
    answer = await world.ask(**changes)
    assert (answer.status, answer.code) == (status, code)


async def test_rejects_where_the_engine_lacks_a_program(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.rdp, "_programs", Programs("", "/x/Xvnc"))
    answer = await world.ask()
    assert (answer.status, answer.code) == (503, "rdp_proxy_unavailable")
    assert "freerdp2-x11" in answer.json()["detail"]
    listed = (await world.rest.owner().get("/api/rdp/sessions")).json()
    assert listed == {"sessions": [], "unavailable": answer.json()["detail"]}


async def test_rejects_where_there_is_no_way(world: World) -> None:
    world.way.error = Conflict("not_connected", "The device is not connected now.")
    answer = await world.ask()
    assert (answer.status, answer.code) == (409, "tunnel_down")
    assert "not connected" in answer.json()["detail"]
    world.way.error = Conflict("device_not_active", "It is quarantined.")
    assert (await world.ask()).code == "device_not_active"
    world.way.error = Unavailable("tunnel_unavailable", "There are none.")
    assert (await world.ask()).code == "tunnel_unavailable"


async def test_rejects_a_port_that_is_not_allowed(world: World) -> None:
    place = f"/api/device/vpn_config/{world.guid}"
    assert (await world.rest.owner().call("PUT", place, {"allowed_ports": [22]})).status == 200
    answer = await world.ask()
    assert (answer.status, answer.code) == (403, "rdp_not_allowed")


async def test_a_certificate_is_known_from_the_first_time_on(world: World) -> None:
    assert (await world.ask()).json()["known"] is False
    assert (await world.ask()).json()["known"] is True
    world.shown[0] = Shown(OTHER, nla=True)
    answer = await world.ask()
    assert (answer.status, answer.code) == (409, "rdp_certificate_changed")
    assert bytes.fromhex(OTHER).hex(":") in answer.json()["detail"]
    assert (await world.ask(certificate=SHA)).status == 409
    assert (await world.ask(certificate=bytes.fromhex(OTHER).hex(":").upper())).json()["known"] is False
    assert (await world.ask()).json()["known"] is True
    entries = (await world.rest.owner().get("/api/audit?limit=50")).json()["entries"]
    changes = [one["detail"] for one in entries if one["action"] == "rdp.certificate"]
    assert changes == [{"before": SHA, "after": OTHER}, {"before": "", "after": SHA}]


async def test_rejects_a_token_of_somebody_else_or_an_old_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mallory = Principal(9, "mallory", OperatorRole.OPERATOR)
    token = (await world.ask()).json()["token"]
    for who in (mallory, Principal(None, "owner", OperatorRole.ADMIN)):
        with pytest.raises(NotFound) as refused:
            async with world.rdp.open(who, token, host="", address="", waiting=lambda said: None):
                pass
        assert refused.value.code == "invalid_session"
    assert world.rdp.statistics() == {"stages": 0, "tickets": 0}


async def test_rejects_more_than_there_is_room_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.rdp, "_most", 0)
    answer = await world.ask()
    assert (answer.status, answer.code) == (503, "rdp_proxy_unavailable")


async def test_survives_programs_that_cannot_be_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(place: Place) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr("borealis_engine.rdp.service._connect", connect)
    token = (await world.ask()).json()["token"]
    owner = Principal(None, "owner", OperatorRole.ADMIN, via="owner")
    with pytest.raises(Unavailable) as refused:
        async with world.rdp.open(owner, token, host="", address="", waiting=lambda said: None):
            pass
    assert refused.value.code == "rdp_connect_failed"
    assert (world.rdp.statistics()["stages"], world.way.held) == (0, 0)
