"""Devices on real sockets: sessions, jobs, results, and what becomes of one that floods."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.fakes.gateway_world import GUID, OTHER, World, transport_of, until

from borealis_engine.core.errors import Unavailable
from borealis_wire.events import RunContext

SYSTEM, INTERACTIVE = RunContext.SYSTEM, RunContext.INTERACTIVE


def answering(client: Any, answer: Any = None) -> list[Any]:
    """Let a device take jobs; gives the list of what it took."""
    taken: list[Any] = []

    async def take(payload: Any) -> Any:
        taken.append(payload)
        return {"status": "accepted"} if answer is None else answer

    client.on("quick_job_run", take)
    return taken


async def test_a_device_registers_and_gets_jobs(world: World) -> None:
    client = await world.device(running=["run-7", "run-8"])
    assert world.dispatch.ready == [(GUID, "system", {"run-7", "run-8"})]
    assert world.devices.presence == [("opened", GUID, "system")]
    taken = answering(client)
    payload = {"run_id": "run-9", "script_content": "é" * 10}
    assert await world.gateway.send_job(GUID, SYSTEM, payload) == {"status": "accepted"}
    assert taken == [payload]


async def test_the_hello_is_answered_with_our_version(world: World) -> None:
    client = await world.device(register=False)
    answer = await client.call("connect_agent", {"agent_id": f"PC_A_{GUID}_SYSTEM", "protocol_version": 1}, timeout=5)
    assert answer == {"status": "ok", "protocol_version": 1, "guid": GUID, "context": "system"}
    newer = await client.call("connect_agent", {"agent_id": GUID, "protocol_version": 9}, timeout=5)
    assert newer["status"] == "ok"
    assert "update the Engine" in newer["notice"]


async def test_an_upstream_agent_says_its_id_alone(world: World) -> None:
    client = await world.device(register=False)
    answer = await client.call("connect_agent", f"MY-PC_{GUID}_SYSTEM", timeout=5)
    assert answer["status"] == "ok"
    assert "update the agent" in answer["notice"]
    assert (await client.call("connect_agent", {}, timeout=5))["error"] == "agent_id_required"
    assert (await client.call("connect_agent", 7, timeout=5))["error"] == "invalid_request"


async def test_no_work_before_the_device_said_what_it_has(world: World) -> None:
    await world.device(register=False)
    assert not world.gateway.has_session(GUID, SYSTEM)


async def test_no_answer_is_none_when_the_socket_goes(world: World) -> None:
    client = await world.device()
    waiting = asyncio.gather(world.gateway.send_job(GUID, SYSTEM, {}))
    await asyncio.sleep(0.05)
    await client.disconnect()
    assert (await asyncio.wait_for(waiting, 5))[0] is None
    await until(lambda: world.devices.presence[-1] == ("closed", GUID, "system"))
    assert await world.gateway.send_job(GUID, SYSTEM, {}) is None


@pytest.mark.parametrize("answer", ["accepted", 7, [], ["accepted"]])
async def test_an_answer_of_another_form_is_none(world: World, answer: Any) -> None:
    client = await world.device()
    answering(client, answer)
    assert await world.gateway.send_job(GUID, SYSTEM, {}) is None


async def test_a_newer_session_takes_the_place_of_the_older(world: World) -> None:
    older = await world.device()
    newer = await world.device()
    await until(lambda: not older.connected)
    taken = answering(newer)
    assert await world.gateway.send_job(GUID, SYSTEM, {"run_id": "r"}) == {"status": "accepted"}
    assert taken == [{"run_id": "r"}]
    assert ("closed", GUID, "system") not in world.devices.presence, "the device was never away"


async def test_contexts_and_devices_are_apart(world: World) -> None:
    one = await world.device(GUID, SYSTEM)
    two = await world.device(GUID, INTERACTIVE)
    three = await world.device(OTHER, SYSTEM)
    taken = [answering(client) for client in (one, two, three)]
    await world.gateway.send_job(GUID, INTERACTIVE, {"run_id": "r"})
    assert [len(jobs) for jobs in taken] == [0, 1, 0]
    assert one.connected
    assert two.connected


async def test_a_revoked_device_is_cut_at_once(world: World) -> None:
    client, other = await world.device(), await world.device(OTHER)
    world.devices.change(GUID, status="revoked")
    assert not world.gateway.has_session(GUID, SYSTEM)
    assert world.devices.presence[-1] == ("closed", GUID, "system")
    await until(lambda: not client.connected)
    assert other.connected


async def test_a_revoked_device_hears_that_its_tunnel_is_over_and_nothing_after_that(world: World) -> None:
    client, other = await world.device(), await world.device(context="interactive")
    heard: list[tuple[str, Any]] = []
    for one in (client, other):
        one.on("*", lambda event, payload: heard.append((event, payload)))
    world.tunnels.last_words[GUID] = {"tunnel_id": "t", "envelope": {}}
    world.devices.change(GUID, status="revoked")
    await until(lambda: not client.connected and not other.connected)
    assert heard == [("vpn_tunnel_stop", {"tunnel_id": "t", "envelope": {}})]


async def test_a_quarantined_device_stays(world: World) -> None:
    client = await world.device()
    world.devices.change(GUID, status="quarantined")
    assert (await client.call("request_config", {}, timeout=5)) == {"status": "ok"}
    late = await world.device()
    assert late.connected


async def test_a_device_that_got_another_key_is_cut(world: World) -> None:
    client = await world.device()
    world.devices.change(GUID, fingerprint="cd" * 32, token_version=2)
    await until(lambda: not client.connected)


async def test_results_are_acknowledged_once_recorded(world: World) -> None:
    client = await world.device()
    body = {"run_id": "r", "status": "Success", "stdout": "é", "context": {"a": [[1]]}, "unknown": 1}
    assert await client.call("quick_job_result", body, timeout=5) == {"status": "ok"}
    assert world.dispatch.results[0].stdout == "é"


async def test_a_result_that_cannot_be_recorded_is_not_acknowledged(world: World) -> None:
    client = await world.device()
    world.dispatch.error = Unavailable("database_unavailable", "gone")
    answer = await client.call("quick_job_result", {"run_id": "r", "status": "Success"}, timeout=5)
    assert answer == {"error": "database_unavailable", "detail": "gone"}


@pytest.mark.parametrize(
    "body",
    [{}, {"run_id": 1, "status": "x"}, [], "x", None, {"run_id": "r", "status": "Success", "exit_code": "0"}],
)
async def test_rejects_results_of_another_form(world: World, body: Any) -> None:
    client = await world.device()
    assert (await client.call("quick_job_result", body, timeout=5))["error"] == "invalid_request"
    assert world.dispatch.results == []
    assert client.connected


async def test_rejects_oversized_events(world: World) -> None:
    client = await world.device()
    for event in ("connect_agent", "request_config", "quick_job_output", "collector_status", "macro_status"):
        assert (await client.call(event, {"x": "y" * 300_000}, timeout=5))["error"] == "too_large"
    assert (await client.call("vpn_shell_output", {}, timeout=5))["error"] == "unknown_event"


async def test_acknowledgements_come_while_results_wait_for_the_disk(world: World) -> None:
    client = await world.device()
    answering(client)
    world.dispatch.gate.clear()
    pending = asyncio.gather(
        *(client.call("quick_job_result", {"run_id": f"r{n}", "status": "Success"}, timeout=5) for n in range(4))
    )
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(world.gateway.send_job(GUID, SYSTEM, {}), 2) == {"status": "accepted"}
    world.dispatch.gate.set()
    assert await pending == [{"status": "ok"}] * 4


async def test_new_keys_are_told_before_jobs_and_once(world: World) -> None:
    world.keys.statements.append({"number": 1})
    client = await world.device(register=False)
    heard: list[Any] = []
    client.on("signing_keys_changed", lambda data: heard.append(data["envelope"]["number"]))

    def take(_payload: Any) -> Any:
        heard.append("job")
        return {"status": "accepted"}

    client.on("quick_job_run", take)
    await client.call("connect_agent", {"agent_id": GUID}, timeout=5)
    await until(lambda: heard == [1])
    world.keys.rotate({"number": 2})
    await world.gateway.send_job(GUID, SYSTEM, {})
    await until(lambda: heard == [1, 2, "job"])


async def test_request_config_brings_an_empty_one(world: World) -> None:
    client = await world.device()
    heard: list[Any] = []
    client.on("agent_config", heard.append)
    await client.emit("request_config", {"agent_id": "x"})
    await until(lambda: heard == [{"roles": []}])


@pytest.mark.slow
async def test_survives_a_device_that_floods(world: World) -> None:
    """It is held back and loses output; another device does not notice, and its own result still arrives."""
    quiet = await world.device(OTHER)
    answering(quiet)
    headers = {"Authorization": f"Bearer {world.token()}"}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    frame = '42["quick_job_output",{"run_id":"r","seq":%d,"stream":"stdout","data":"x"}]'
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as loud:
        await loud.receive()
        await loud.send_str("40")
        await loud.receive()
        for number in range(1500):
            await loud.send_str(frame % number)
        await loud.send_str('427["quick_job_result",{"run_id":"r","status":"Success"}]')
        loop = asyncio.get_running_loop()
        slowest = 0.0
        for _ in range(20):
            before = loop.time()
            assert await world.gateway.send_job(OTHER, SYSTEM, {}) == {"status": "accepted"}
            slowest = max(slowest, loop.time() - before)
        async with asyncio.timeout(20):
            while not (await loud.receive()).data.startswith("437"):
                pass
    assert world.dispatch.results, "a result is never dropped"
    assert len(world.dispatch.output) < 1500
    assert world.gateway.statistics()["events_dropped"] > 0
    assert slowest < 1.0


@pytest.mark.slow
async def test_survives_a_device_that_never_reads(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}"}
    url = f"{world.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers, max_msg_size=0) as deaf:
        await deaf.receive()
        await deaf.send_str("40")
        await deaf.receive()
        await deaf.send_str(f'42["connect_agent",{{"agent_id":"{GUID}"}}]')
        await until(lambda: world.gateway.has_session(GUID, SYSTEM))
        transport_of(deaf).pause_reading()
        for _ in range(8):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await world.gateway.send_job(GUID, SYSTEM, {"script_content": "x" * 4_000_000})
        world.devices.change(GUID, status="revoked")
        await until(lambda: world.gateway.statistics()["device_sessions"] == 0)
        await until(lambda: not world.gateway._owners)
        transport_of(deaf).abort()


async def test_each_signed_in_user_has_a_session_of_their_own(world: World) -> None:
    ada, bob = await world.device(context=INTERACTIVE, user="ada"), await world.device(context=INTERACTIVE, user="bob")
    for_ada, for_bob = answering(ada), answering(bob)
    assert world.gateway.user_for(GUID) == "ada"
    world.devices.active = "bob"
    assert world.gateway.user_for(GUID) == "bob", "who sits at the machine comes first"
    assert await world.gateway.send_job(GUID, INTERACTIVE, {"run_id": "1"}, user="bob") == {"status": "accepted"}
    assert await world.gateway.send_job(GUID, INTERACTIVE, {"run_id": "2"}, user="eve") is None
    assert await world.gateway.send_job(GUID, INTERACTIVE, {"run_id": "3"}) is None, "no agent there names nobody"
    assert (for_ada, for_bob) == ([], [{"run_id": "1"}])
    await bob.call("quick_job_result", {"run_id": "1", "status": "Success", "user": "ada"}, timeout=5)
    assert world.dispatch.told_by == ["bob"], "the token says who it is"
    newer = await world.device(context=INTERACTIVE, user="ada")
    await until(lambda: not ada.connected)
    assert newer.connected
    assert bob.connected
    assert world.gateway.statistics()["replaced_sessions"] == 1
    await bob.disconnect()
    await until(lambda: world.gateway.user_for(GUID) == "ada")
    assert world.devices.presence[-1] == ("closed", GUID, "interactivebob")


async def test_rejects_more_users_than_a_device_can_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from borealis_engine.gateway import sessions

    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    system = await world.device()
    users = [await world.device(context=INTERACTIVE, user=user) for user in ("a", "b")]
    with pytest.raises(Exception):  # noqa: B017  the library's own error for a socket that was cut
        await world.device(context=INTERACTIVE, user="c")
    assert system.connected
    assert all(user.connected for user in users)
    assert len(world.gateway._sessions) == 3
