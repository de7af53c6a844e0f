"""Nobody gets in without credentials that hold, and nobody gets further than their credentials reach."""

import asyncio
from typing import Any

import aiohttp
import pytest
import socketio
from tests.fakes.gateway_world import GUID, OTHER, World, refused_with, until

from borealis_engine.gateway.rules import EVENT_RULES
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_wire.events import DeviceEvent, RunContext


async def test_rejects_a_connect_without_token(world: World) -> None:
    assert await refused_with(world, {}) == "missing_authorization"
    assert world.devices.presence == []


async def test_rejects_an_expired_token(world: World) -> None:
    assert await refused_with(world, {"Authorization": f"Bearer {world.token(age=901)}"}) == "token_expired"


async def test_rejects_a_token_that_is_not_ours(world: World) -> None:
    head, body, signature = world.token().split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    assert await refused_with(world, {"Authorization": f"Bearer {forged}"}) == "invalid_token"


async def test_rejects_a_header_of_another_context(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}", "X-Borealis-Agent-Context": "CURRENTUSER"}
    assert await refused_with(world, headers) == "context_mismatch"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "revoked"}, "device_revoked"),
        ({"status": "decommissioned"}, "device_revoked"),
        ({"fingerprint": "cd" * 32}, "fingerprint_mismatch"),
        ({"token_version": 2}, "token_version_mismatch"),
    ],
)
async def test_rejects_a_device_that_lost_its_standing(world: World, change: dict[str, Any], code: str) -> None:
    token = world.token()
    world.devices.change(GUID, **change)
    assert await refused_with(world, {"Authorization": f"Bearer {token}"}) == code


async def test_rejects_a_device_that_is_gone(world: World) -> None:
    token = world.token()
    del world.devices.states[GUID]
    assert await refused_with(world, {"Authorization": f"Bearer {token}"}) == "device_not_found"


async def test_rejects_a_token_in_the_query_string(world: World) -> None:
    token = world.token()
    query = f"EIO=4&transport=websocket&token={token}&access_token={token}&Authorization=Bearer%20{token}"
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{world.url}/socket.io/?{query}") as socket:
        assert (await socket.receive()).data.startswith("0")
        assert "missing_authorization" in (await socket.receive()).data


async def test_rejects_credentials_in_the_connect_packet(world: World) -> None:
    client = world.client()
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(world.url, auth={"token": world.token()}, transports=["websocket"], wait_timeout=2)


async def test_rejects_a_cross_site_origin(world: World) -> None:
    world.sign_in()
    for origin in ("https://evil.example", "null", "http://127.0.0.1", f"https://127.0.0.1:{world.port}.evil.example"):
        assert await refused_with(world, world.cookie(Origin=origin)) == "cross_site"
    assert await refused_with(world, world.cookie(**{"Sec-Fetch-Site": "cross-site"})) == "cross_site"


async def test_rejects_a_session_cookie_without_origin(world: World) -> None:
    world.sign_in()
    assert await refused_with(world, {"Cookie": "borealis_session_443=s1"}) == "cross_site"


async def test_rejects_a_foreign_page_with_a_device_token(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}", "Origin": "https://evil.example"}
    assert await refused_with(world, headers) == "cross_site"


async def test_rejects_an_unknown_session(world: World) -> None:
    assert await refused_with(world, world.cookie("unknown")) == "unauthorized"


async def test_rejects_two_session_cookies(world: World) -> None:
    world.sign_in("s1")
    world.sign_in("s2")
    headers = world.cookie(Cookie="borealis_session_443=s1; borealis_session_443=s2")
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
        await socket.receive()
        assert "missing_authorization" in (await socket.receive()).data


async def test_rejects_the_owner_token_through_a_proxy(world: World) -> None:
    world.sign_in("bor_owner_x")
    headers = {"Authorization": "Bearer bor_owner_x", "X-Forwarded-For": "127.0.0.1"}
    assert await refused_with(world, headers) == "unauthorized"


async def test_rejects_a_knocker_that_does_not_give_up(world: World) -> None:
    codes = [await refused_with(world, {"Authorization": f"Bearer {number}"}) for number in range(31)]
    assert codes[0] == "invalid_token"
    assert codes[-1] != "invalid_token", "it is still talked to"
    good = await world.device()
    assert good.connected, "a device behind the same address must not suffer"


@pytest.mark.parametrize(
    "agent_id",
    [f"PC_{OTHER}_SYSTEM", f"PC_{GUID}_CURRENTUSER", "PC", f"PC_{GUID}x_SYSTEM", f"{GUID}_{OTHER}_SYSTEM"],
)
async def test_rejects_a_device_that_claims_to_be_another(world: World, agent_id: str) -> None:
    client = await world.device(register=False)
    answer = await client.call("connect_agent", {"agent_id": agent_id}, timeout=5)
    assert answer["error"] == "agent_id_mismatch"
    await until(lambda: not client.connected)
    assert world.dispatch.ready == []
    assert not world.gateway.has_session(GUID, RunContext.SYSTEM)


async def test_rejects_a_service_mode_of_the_other_context(world: World) -> None:
    client = await world.device(register=False)
    body = {"agent_id": f"PC_{GUID}_SYSTEM", "service_mode": "currentuser"}
    assert (await client.call("connect_agent", body, timeout=5))["error"] == "agent_id_mismatch"


async def test_rejects_operator_events_from_a_device(world: World) -> None:
    client = await world.device()
    assert (await client.call("watch_run", {"run_id": "run-1"}, timeout=5))["error"] == "forbidden"


@pytest.mark.parametrize("event", sorted(DeviceEvent))
async def test_rejects_device_events_from_an_operator(world: World, event: str) -> None:
    world.sign_in()
    client = await world.operator()
    body = {"agent_id": f"PC_{GUID}_SYSTEM", "run_id": "run-1", "status": "Success"}
    assert (await client.call(event, body, timeout=5))["error"] == "forbidden"
    assert world.dispatch.results == []
    assert world.dispatch.ready == []


async def test_rejects_watching_without_the_right(world: World) -> None:
    world.sign_in(role=OperatorRole.VIEWER, scopes=frozenset({Permission.DEVICES_READ}))
    client = await world.operator()
    assert (await client.call("watch_run", {"run_id": "run-1"}, timeout=5))["error"] == "forbidden"


async def test_rejects_watching_a_run_of_another_site(world: World) -> None:
    world.sign_in(role=OperatorRole.VIEWER, sites=frozenset({1}))
    client = await world.operator()
    assert (await client.call("watch_run", {"run_id": "run-2"}, timeout=5))["error"] == "run_not_found"
    assert (await client.call("watch_run", {"run_id": "run-1"}, timeout=5)) == {"status": "ok"}


async def test_rejects_long_polling(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "POST"):
            async with http.request(
                method, f"{world.url}/socket.io/?EIO=4&transport=polling", headers=headers
            ) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"] == "websocket_only"


async def test_rejects_websockets_elsewhere(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{world.url}/api/devices", headers=headers)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "frame",
    [
        '42["connect",{}]',
        '42["disconnect"]',
        '42["*"]',
        '42["quick_job_result",',
        "42[" + "[" * 100_000,
        '451-["quick_job_result",{"_placeholder":true,"num":0}]',
        '42/admin,["x"]',
        "40/admin,",
        "4²[]",
        "5",
        "",
        b"\x00\x01",
        "b4eHg=",
    ],
)
async def test_rejects_frames_that_no_client_of_ours_sends(world: World, frame: str | bytes) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
        assert (await socket.receive()).data.startswith("0")
        await socket.send_str("40")
        assert (await socket.receive()).data.startswith("40")
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await socket.send_str(frame)
        async with asyncio.timeout(5):
            while (await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                pass
    await until(lambda: world.devices.presence[-1][0] == "closed")
    assert world.dispatch.results == []


async def test_rejects_a_second_namespace_connect_after_leaving(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
        await socket.receive()
        await socket.send_str("40")
        await socket.receive()
        await socket.send_str("41")
        await socket.send_str("40")
        async with asyncio.timeout(5):
            while (message := await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                assert not str(message.data).startswith("40")


def test_every_event_has_a_rule_and_every_rule_a_handler(world: World) -> None:
    gateway = world.gateway
    assert gateway._server.events() == {"connect", "disconnect", "*"}
    devices, operators = gateway._device_door.handlers, gateway._events._operators.handlers
    assert {name for name, rule in EVENT_RULES.items() if rule.sender == "device"} == set(devices)
    assert {name for name, rule in EVENT_RULES.items() if rule.sender == "operator"} == set(operators)
    assert set(DeviceEvent) == set(devices)
