"""Tokens that stay fresh, against an Engine over real TLS."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.agent_world import GUID, AgentWorld
from tests.fakes.fake_clock import FakeClock
from tests.fakes.tls_engine import Authority, TlsEngine

from borealis_agent.core.errors import AgentError, ReenrolRequired, Retryable
from borealis_agent.http import DeviceRevoked, EngineNotTrusted, RequestRejected
from borealis_agent.identity import AccessToken
from borealis_wire.events import Rest, RunContext
from borealis_wire.keys import SigningKey


@pytest.fixture
def engine(tmp_path: Path) -> TlsEngine:
    return TlsEngine(Authority(tmp_path), fallback=lambda body, request: (200, {"ok": True}))


def answers(*codes: tuple[int, dict[str, Any]]) -> Any:
    """A handler that gives these answers one after the other, the last one for ever."""
    left = list(codes)
    return lambda body, request: left.pop(0) if len(left) > 1 else left[0]


async def test_a_fresh_token_at_hand_is_used_without_asking(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="at hand")
        assert await world.client.ensure_authenticated() == "at hand"
        assert await world.client.post_json("/api/x", {"a": 1}) == {"ok": True}
        await world.client.close()
    assert engine.paths() == ["/api/x"]
    assert engine.calls[0].headers["Authorization"] == "Bearer at hand"
    assert world.client.guid == GUID
    assert world.client.agent_id("lab pc") == f"LAB-PC_{GUID}_SYSTEM"


@pytest.mark.parametrize("seconds", [59, 0, -5000])
async def test_a_token_with_less_than_a_minute_is_refreshed_with_a_proof(
    engine: TlsEngine, tmp_path: Path, seconds: float
) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="old", access_seconds=seconds)
        token = await world.client.ensure_authenticated()
        await world.client.close()
    assert token in engine.access
    assert engine.paths() == [Rest.TOKEN_REFRESH]
    vault = world.identity.vault(engine.authority.pin)
    stored = vault.load_access(RunContext.SYSTEM)
    assert stored is not None
    assert stored.token == token
    assert stored.expires_at == pytest.approx(world.clock.now() + 895, abs=2)
    assert vault.load_refresh() == "refresh-2"


async def test_the_successor_is_used_next_time_and_each_proof_is_new(engine: TlsEngine, tmp_path: Path) -> None:
    clock = FakeClock(time.time(), auto=True)
    engine.now = clock.now
    async with engine.run():
        world = AgentWorld(tmp_path, clock=clock).enrolled_at(engine)
        for _ in range(5):
            await world.client.ensure_authenticated()
            clock.advance(14 * 60 + 30)
        await world.client.close()
    assert [call.body["refresh_token"] for call in engine.calls] == [f"refresh-{number}" for number in range(1, 6)]
    assert len(engine.proofs) == 5
    assert engine.stolen == 0


async def test_many_callers_share_one_refresh(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        tokens = await asyncio.gather(*(world.client.ensure_authenticated() for _ in range(20)))
        await world.client.close()
    assert len(set(tokens)) == 1
    assert len(engine.calls) == 1


async def test_an_engine_without_rotation_keeps_its_token(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers[Rest.TOKEN_REFRESH] = answers((200, {"access_token": "a", "expires_in": 900}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        assert await world.client.ensure_authenticated() == "a"
        await world.client.close()
    assert world.identity.vault(engine.authority.pin).load_refresh() == "refresh-1"


@pytest.mark.parametrize("expires_in", [None, 0, -1, "900", True, 10**9, float("inf")])
async def test_rejects_an_answer_without_a_usable_time(engine: TlsEngine, tmp_path: Path, expires_in: Any) -> None:
    body = {"access_token": "a", "refresh_token": "r"} | ({} if expires_in is None else {"expires_in": expires_in})
    engine.handlers[Rest.TOKEN_REFRESH] = answers((200, body))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        with pytest.raises(Retryable):
            await world.client.ensure_authenticated()
        await world.client.close()
    assert world.identity.vault(engine.authority.pin).load_refresh() == "refresh-1"


async def test_a_token_that_is_refused_is_refreshed_once(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers["/api/x"] = answers((401, {"error": "token_expired"}), (200, {"done": 1}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="thought good")
        assert await world.client.post_json("/api/x", {}) == {"done": 1}
        await world.client.close()
    assert engine.paths() == ["/api/x", Rest.TOKEN_REFRESH, "/api/x"]


async def test_rejects_going_round_in_circles_over_a_refused_token(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers["/api/x"] = answers((401, {"error": "invalid_token"}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        with pytest.raises(Retryable, match="just issued") as caught:
            await world.client.post_json("/api/x", {})
        await world.client.close()
    assert caught.value.retry_after == 60
    assert engine.paths() == ["/api/x", Rest.TOKEN_REFRESH, "/api/x"]
    assert world.identity.vault(engine.authority.pin).load_refresh() is not None


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"error": "invalid_refresh_token"}),
        (401, {"error": "refresh_token_expired"}),
        (404, {"error": "device_not_found"}),
        (403, {"error": "fingerprint_mismatch"}),
    ],
)
async def test_tokens_of_no_more_use_are_removed_and_enrolment_is_due(
    engine: TlsEngine, tmp_path: Path, answer: tuple[int, dict[str, Any]]
) -> None:
    engine.handlers[Rest.TOKEN_REFRESH] = answers(answer)
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        told: list[str] = []
        world.client.on_shut_out(told.append)
        with pytest.raises(ReenrolRequired):
            await world.client.ensure_authenticated()
        await world.client.close()
    assert told == ["the Engine does not take this device's tokens any more"]
    assert world.identity.vault(engine.authority.pin).load_refresh() is None
    assert world.identity.load_guid() == GUID
    assert world.trust.ca_pin == engine.authority.pin


async def test_a_revoked_device_says_so_and_asks_seldom(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.handlers["/api/x"] = answers((403, {"error": "device_revoked"}))
    engine.handlers[Rest.TOKEN_REFRESH] = answers((403, {"error": "device_revoked"}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        with pytest.raises(DeviceRevoked) as caught:
            await world.client.post_json("/api/x", {})
        assert "revoked" in caplog.text
        for _ in range(10):
            with pytest.raises(DeviceRevoked):
                await world.client.post_json("/api/x", {})
        assert len(engine.calls) == 1
        assert 200 < (caught.value.retry_after or 0) < 400
        assert isinstance(world.clock, FakeClock)
        world.clock.advance(400)
        with pytest.raises(DeviceRevoked):
            await world.client.ensure_authenticated()
        await world.client.close()
    assert len(engine.calls) == 2
    assert world.identity.vault(engine.authority.pin).load_refresh() == "refresh-1"


async def test_renew_finds_out_why_a_socket_was_refused(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers[Rest.TOKEN_REFRESH] = answers((403, {"error": "device_revoked"}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="still fresh")
        told: list[str] = []
        world.client.on_shut_out(told.append)
        assert await world.client.ensure_authenticated() == "still fresh"
        with pytest.raises(DeviceRevoked):
            await world.client.renew()
        await world.client.close()
    assert told == ["this device was revoked by an operator"]


async def test_survives_an_engine_that_is_busy_for_a_moment(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers["/api/x"] = answers((503, {}), (429, {}), (200, {"done": 1}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        assert await world.client.async_post_json("/api/x", {}) == {"done": 1}
        await world.client.close()
    assert isinstance(world.clock, FakeClock)
    assert len([wait for wait in world.clock.slept if wait > 0]) == 2


async def test_a_long_wait_that_the_engine_names_is_the_callers(engine: TlsEngine, tmp_path: Path) -> None:
    from aiohttp import web

    engine.handlers["/api/x"] = lambda body, request: web.json_response(
        {"error": "rate_limited"}, status=429, headers={"Retry-After": "30"}
    )
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        with pytest.raises(Retryable) as caught:
            await world.client.post_json("/api/x", {})
        await world.client.close()
    assert caught.value.retry_after == 30
    assert len(engine.calls) == 1


async def test_three_attempts_and_no_more(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers["/api/x"] = answers((500, {}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        with pytest.raises(Retryable):
            await world.client.post_json("/api/x", {})
    assert len(engine.calls) == 3
    with pytest.raises(Retryable):
        await world.client.post_json("/api/x", {})
    await world.client.close()


async def test_rejected_requests_are_not_repeated(engine: TlsEngine, tmp_path: Path) -> None:
    engine.handlers["/api/x"] = answers((400, {"error": "malformed", "detail": "no"}))
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        with pytest.raises(RequestRejected) as caught:
            await world.client.post_json("/api/x", {})
        await world.client.close()
    assert (caught.value.status, caught.value.code, caught.value.detail) == (400, "malformed", "no")
    assert len(engine.calls) == 1


async def test_rejects_another_engine_keeps_the_tokens_and_recovers(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threats 14: refused later, no re-pin, clear message; and all is well when the right Engine is back."""
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="secret access")
    (tmp_path / "thief").mkdir()
    thief = TlsEngine(Authority(tmp_path / "thief"), port=engine.port)
    async with thief.run():
        for call in (world.client.post_json("/api/x", {}), world.client.renew()):
            with pytest.raises(EngineNotTrusted):
                await call
    assert thief.calls == []
    assert thief.authority.pin in caplog.text
    assert engine.authority.pin in caplog.text
    assert world.trust.ca_pin == engine.authority.pin
    async with engine.run():
        assert await world.client.post_json("/api/x", {}) == {"ok": True}
        await world.client.close()


async def test_survives_a_clock_that_is_a_day_wrong(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock(time.time() - 86_400, auto=True)
    async with engine.run():
        world = AgentWorld(tmp_path, clock=clock).enrolled_at(engine)
        await world.client.ensure_authenticated()
        await world.client.renew()
        await world.client.close()
    assert engine.paths() == [Rest.TOKEN_REFRESH] * 3
    assert "clock" in caplog.text


async def test_survives_a_clock_that_is_set_back_by_a_day(engine: TlsEngine, tmp_path: Path) -> None:
    clock = FakeClock(time.time(), auto=True)
    async with engine.run():
        world = AgentWorld(tmp_path, clock=clock).enrolled_at(engine)
        first = await world.client.ensure_authenticated()
        clock.advance(1000)
        clock.set_wall(time.time() - 86_400)
        second = await world.client.ensure_authenticated()
        await world.client.close()
    assert first != second


async def test_survives_a_proof_that_was_seen_before(engine: TlsEngine, tmp_path: Path) -> None:
    whole = engine.handlers[Rest.TOKEN_REFRESH]
    first = [True]

    def once_replayed(body: dict[str, Any], request: Any) -> Any:
        return (400, {"error": "dpop_replayed"}) if first and first.pop() else whole(body, request)

    engine.handlers[Rest.TOKEN_REFRESH] = once_replayed
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.close()


async def test_survives_a_lost_answer(engine: TlsEngine, tmp_path: Path) -> None:
    """The Engine rotated, we never heard of it: the old token is shown again, and nobody cries theft."""
    whole = engine.handlers[Rest.TOKEN_REFRESH]
    lose = [True]

    def lossy(body: dict[str, Any], request: Any) -> Any:
        answer = whole(body, request)
        return (502, {}) if lose and lose.pop() else answer

    engine.handlers[Rest.TOKEN_REFRESH] = lossy
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        with pytest.raises(Retryable):
            await world.client.ensure_authenticated()
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.renew()
        await world.client.close()
    assert engine.stolen == 0


async def test_survives_a_torn_access_token_by_refreshing(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine, access="a")
        (world.settings.paths.settings / "access.jwt").write_bytes(b"torn")
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.close()


async def test_survives_a_torn_refresh_token_by_asking_for_enrolment(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        (world.settings.paths.settings / "refresh.token").write_bytes(b"torn")
        with pytest.raises(ReenrolRequired):
            await world.client.ensure_authenticated()
        await world.client.close()
    assert engine.calls == []


async def test_survives_a_full_disk(engine: TlsEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        with monkeypatch.context() as patch:
            patch.setattr("borealis_agent.identity.vault.write_atomic", full)
            with pytest.raises(Retryable, match="disk"):
                await world.client.ensure_authenticated()
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.close()
    assert engine.stolen == 0


async def test_what_the_other_agent_fetched_is_used(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = AgentWorld(tmp_path).enrolled_at(engine)
        vault = world.identity.vault(engine.authority.pin)
        vault.store_access(RunContext.SYSTEM, AccessToken("by a twin", world.clock.now() + 900))
        assert await world.client.ensure_authenticated() == "by a twin"
        await world.client.close()
    assert engine.calls == []


@pytest.mark.slow
async def test_both_contexts_share_a_refresh_token_and_have_access_tokens_of_their_own(
    engine: TlsEngine, tmp_path: Path
) -> None:
    async with engine.run():
        system = AgentWorld(tmp_path).enrolled_at(engine)
        user = AgentWorld(tmp_path, context=RunContext.INTERACTIVE, seed="user")
        for _ in range(10):
            tokens = await asyncio.gather(system.client.renew(), user.client.renew())
            assert tokens[0].startswith("access-SYSTEM")
            assert tokens[1].startswith("access-CURRENTUSER")
        await system.client.close()
        await user.client.close()
    assert engine.stolen == 0
    assert len(engine.access) == 20


async def test_without_a_pinned_engine_nothing_is_asked(tmp_path: Path) -> None:
    world = AgentWorld(tmp_path)
    with pytest.raises(ReenrolRequired):
        await world.client.ensure_authenticated()
    with pytest.raises(ReenrolRequired):
        world.client.socket_session()
    assert world.client.guid == ""
    assert world.client.base_url == "https://localhost:5000"
    assert world.client.load_server_signing_key() is None
    await world.client.close()


def test_the_address_has_one_order_of_precedence(engine: TlsEngine, tmp_path: Path) -> None:
    engine.port = 1
    world = AgentWorld(tmp_path).enrolled_at(engine)
    assert world.client.base_url == "https://127.0.0.1:1"
    (world.settings.paths.settings / "server_url.txt").write_text("https://moved:2\n")
    assert world.client.base_url == "https://moved:2"
    assert AgentWorld(tmp_path, "--server-url", "https://line:3").client.base_url == "https://line:3"


def test_rejects_a_signing_key_that_somebody_hands_over(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.port = 1
    world = AgentWorld(tmp_path).enrolled_at(engine)
    pinned = world.client.load_server_signing_key()
    other = SigningKey.from_seed(b"t" * 32).public.spki_base64
    with caplog.at_level(logging.WARNING):
        assert not world.client.store_server_signing_key(other)
    assert "ignored" in caplog.text
    assert world.client.load_server_signing_key() == pinned
    assert pinned is not None
    assert world.client.store_server_signing_key(pinned)


def test_every_failure_has_a_sentence_for_a_person() -> None:
    errors: list[AgentError] = [
        DeviceRevoked("this device was revoked", retry_after=1, advice="Enrol."),
        RequestRejected(400, "malformed", "no"),
        RequestRejected(404, "", ""),
        EngineNotTrusted("refused", advice="Look."),
    ]
    assert all(error.diagnostics().endswith(".") for error in errors)
