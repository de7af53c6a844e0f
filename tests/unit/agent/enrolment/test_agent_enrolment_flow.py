"""Enrolment from end to end against an Engine over real TLS; time is the test's own."""

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.agent_world import GUID, AgentWorld
from tests.fakes.fake_clock import FakeClock
from tests.fakes.tls_engine import CODE, Authority, TlsEngine

from borealis_agent.core.errors import Fatal
from borealis_agent.http import EngineNotTrusted, WrongEngine
from borealis_agent.identity import StartAction
from borealis_base.files import write_atomic
from borealis_wire import base64s
from borealis_wire.enrolment_token import EnrolmentToken
from borealis_wire.events import Rest, RunContext
from borealis_wire.keys import SigningKey


@pytest.fixture
def engine(tmp_path: Path) -> TlsEngine:
    (tmp_path / "engine").mkdir()
    return TlsEngine(Authority(tmp_path / "engine"), fallback=lambda body, request: (200, {"ok": True}))


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def agent(tmp_path: Path, code: str, *arguments: str, **options: Any) -> AgentWorld:
    flags = ["--installer-code", code] if code else []
    return AgentWorld(tmp_path / "agent", *flags, *arguments, **options).with_enrolment()


async def test_a_token_is_all_it_takes(engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with engine.run():
        world = agent(tmp_path, engine.token)
        assert world.start.action is StartAction.ENROL
        assert await world.client.ensure_authenticated() in engine.access
        assert await world.client.post_json("/api/x", {}) == {"ok": True}
        await world.client.close()
    assert engine.paths() == [Rest.ENROLL_REQUEST, Rest.ENROLL_POLL, "/api/x"]
    assert world.client.guid == GUID
    assert world.client.base_url == engine.url
    assert (world.settings.paths.settings / "server_url.txt").read_text() == engine.url + "\n"
    assert world.trust.ca_pin == engine.authority.pin
    assert world.trust.trusted == {engine.signing.public.key_id: engine.signing.public}
    assert not (world.settings.paths.settings / "enrolment_pending.json").exists()
    assert "waiting for approval" in caplog.text
    assert world.identity.fingerprint in caplog.text
    assert CODE not in caplog.text


async def test_the_request_has_the_contracts_members(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        await world.client.close()
    request, poll = engine.calls[0].body, engine.calls[1].body
    assert request["hostname"] == "lab-pc"
    assert request["enrollment_code"] == CODE
    assert request["agent_pubkey"] == world.identity.key.public.spki_base64
    assert len(base64s.decode(request["client_nonce"])) == 32
    assert request["protocol_version"] == 1
    assert poll["client_nonce"] == request["client_nonce"]
    assert {len(base64s.decode(poll[name])) for name in ("proof_sig", "proof_v2")} == {64}


async def test_a_restart_connects_without_asking_anybody(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        first = agent(tmp_path, engine.token)
        token = await first.client.ensure_authenticated()
        await first.client.close()
        again = agent(tmp_path, engine.token)
        assert again.start.action is StartAction.CONNECT
        assert await again.client.ensure_authenticated() == token
        await again.client.close()
    assert len(engine.calls) == 2


@pytest.mark.slow
async def test_it_waits_for_the_operator_and_says_so(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.decision = "pending"
    polls = engine.handlers[Rest.ENROLL_POLL]

    def decide_late(body: dict[str, Any], request: Any) -> Any:
        engine.decision = "approved" if len(engine.calls) > 300 else "pending"
        return polls(body, request)

    engine.handlers[Rest.ENROLL_POLL] = decide_late
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        await world.client.close()
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 1
    assert 1 <= caplog.text.count("waiting for approval reference-1") <= 3
    assert isinstance(world.clock, FakeClock)
    assert all(0.9 <= wait <= 15 for wait in world.clock.slept)


async def test_a_restart_while_the_operator_decides_goes_on_where_it_was(engine: TlsEngine, tmp_path: Path) -> None:
    engine.decision = "pending"
    async with engine.run():
        first = agent(tmp_path, engine.token)
        waiting = asyncio.ensure_future(first.client.ensure_authenticated())
        while len(engine.calls) < 3:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await first.client.close()
        engine.decision = "approved"
        again = agent(tmp_path, engine.token, seed="again")
        await again.client.ensure_authenticated()
        await again.client.close()
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 1


async def test_rejects_the_wrong_engine_before_sending_anything(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        wrong = str(EnrolmentToken(engine.url, CODE, "0" * 64))
        world = agent(tmp_path, wrong)
        with pytest.raises(WrongEngine) as caught:
            await world.client.ensure_authenticated()
        await world.client.close()
    assert "0" * 64 in caught.value.diagnostics()
    assert engine.authority.pin in caught.value.diagnostics()
    assert engine.calls == []
    assert world.trust.ca_pin == ""


async def test_rejects_a_bare_code_without_a_pin(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = agent(tmp_path, CODE, "--server-url", engine.url)
        with pytest.raises(Fatal, match="bare enrolment code") as caught:
            await world.client.ensure_authenticated()
        await world.client.close()
    assert "--trust-on-first-use" in caught.value.diagnostics()
    assert engine.calls == []


async def test_a_bare_code_with_trust_on_first_use_prints_the_fingerprint(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.run():
        world = agent(tmp_path, CODE, "--server-url", engine.url, "--trust-on-first-use")
        await world.client.ensure_authenticated()
        await world.client.close()
    assert world.trust.ca_pin == engine.authority.pin
    assert engine.authority.pin in caplog.text


async def test_a_denied_device_says_so_and_asks_seldom(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.decision = "denied"
    requests = engine.handlers[Rest.ENROLL_REQUEST]

    def change_of_mind(body: dict[str, Any], request: Any) -> Any:
        engine.decision = "approved" if engine.paths().count(Rest.ENROLL_REQUEST) == 3 else "denied"
        return requests(body, request)

    engine.handlers[Rest.ENROLL_REQUEST] = change_of_mind
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        await world.client.close()
    assert caplog.text.count("denied") >= 2
    assert isinstance(world.clock, FakeClock)
    assert sum(world.clock.slept) > 240


@pytest.mark.parametrize("end", ["expired", "unknown", "finalized"])
async def test_survives_an_enrolment_that_ended_by_starting_over(engine: TlsEngine, tmp_path: Path, end: str) -> None:
    polls = engine.handlers[Rest.ENROLL_POLL]
    ended: list[tuple[int, dict[str, Any]]] = [
        {
            "expired": (200, {"status": "expired"}),
            "unknown": (404, {"status": "unknown"}),
            "finalized": (200, {"status": "approved", "detail": "finalized"}),
        }[end]
    ]
    engine.handlers[Rest.ENROLL_POLL] = lambda body, request: ended.pop() if ended else polls(body, request)
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        await world.client.close()
    nonces = [call.body["client_nonce"] for call in engine.calls if call.path == Rest.ENROLL_REQUEST]
    assert len(set(nonces)) == 2


async def test_a_used_up_code_waits_for_a_fresh_one(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.run():
        used_up = str(EnrolmentToken(engine.url, "-".join(["DEAD"] * 8), engine.authority.pin))
        world = agent(tmp_path, used_up)
        waiting = asyncio.ensure_future(world.client.ensure_authenticated())
        while not engine.calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert "borealis codes create" in caplog.text
        assert not waiting.done()
        # The command line still says the old one; the Engine refused it, so it comes last now.
        world.settings.config_path.write_text(json.dumps({"installer_code": engine.token}))
        assert await waiting in engine.access
        await world.client.close()
    assert json.loads(world.settings.config_path.read_text())["installer_code"] == ""


async def test_without_any_code_it_waits_and_says_what_it_needs(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine.run():
        world = agent(tmp_path, "")
        waiting = asyncio.ensure_future(world.client.ensure_authenticated())
        for _ in range(50):
            await asyncio.sleep(0)
        assert "an enrolment token is needed" in caplog.text
        assert not waiting.done()
        world.settings.config_path.write_text(json.dumps({"installer_code": engine.token}))
        assert await waiting in engine.access
        await world.client.close()
    assert caplog.text.count("an enrolment token is needed") < 20


async def test_both_agents_of_a_device_enrol_once(engine: TlsEngine, tmp_path: Path) -> None:
    engine.decision = "pending"
    async with engine.run():
        clock = FakeClock(time.time(), auto=True)
        system = agent(tmp_path, engine.token, clock=clock)
        user = agent(tmp_path, engine.token, context=RunContext.INTERACTIVE, seed="user", clock=clock)
        assert system.identity.fingerprint == user.identity.fingerprint
        both = [asyncio.ensure_future(world.client.ensure_authenticated()) for world in (system, user)]
        while len(engine.calls) < 10:
            await asyncio.sleep(0.01)
        engine.decision = "approved"
        tokens = await asyncio.gather(*both)
        await system.client.close()
        await user.client.close()
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 1
    assert sorted(token.split("-")[1] for token in tokens) == ["CURRENTUSER", "SYSTEM"]
    assert system.client.guid == user.client.guid == GUID
    assert engine.stolen == 0


@pytest.mark.parametrize("bad", ["", "used up"])
async def test_an_agent_without_a_good_code_does_not_keep_the_other_from_enrolling(
    engine: TlsEngine, tmp_path: Path, bad: str
) -> None:
    async with engine.run():
        if bad:
            bad = str(EnrolmentToken(engine.url, "-".join(["DEAD"] * 8), engine.authority.pin))
        clock = FakeClock(time.time(), auto=True)
        user = agent(tmp_path, bad, context=RunContext.INTERACTIVE, seed="user", clock=clock)
        first = asyncio.ensure_future(user.client.ensure_authenticated())
        while not clock.slept or (bad and not engine.calls):
            await asyncio.sleep(0.01)  # it is the first, and waits
        system = agent(tmp_path, engine.token, clock=clock)
        assert await asyncio.wait_for(system.client.ensure_authenticated(), 10) in engine.access
        assert await asyncio.wait_for(first, 10) in engine.access
        await system.client.close()
        await user.client.close()
    assert system.client.guid == user.client.guid == GUID


async def test_tokens_of_no_more_use_lead_to_a_new_enrolment_with_the_same_key(
    engine: TlsEngine, tmp_path: Path
) -> None:
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        engine.tokens.clear()
        assert await world.client.renew() in engine.access
        await world.client.close()
    keys = {call.body["agent_pubkey"] for call in engine.calls if call.path == Rest.ENROLL_REQUEST}
    assert len(keys) == 1
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 2


async def test_rejects_a_new_signing_key_at_an_enrolment_that_nobody_asked_for(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threats 8: whoever holds the TLS key but not the signing key runs nothing."""
    thief = SigningKey.from_seed(b"t" * 32)
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        honest, engine.signing = engine.signing, thief
        engine.tokens.clear()
        waiting = asyncio.ensure_future(world.client.renew())
        while "other signing keys" not in caplog.text:
            await asyncio.sleep(0.01)
        assert world.trust.trusted == {honest.public.key_id: honest.public}
        engine.signing = honest
        assert await waiting in engine.access
        await world.client.close()
    assert world.trust.trusted == {honest.public.key_id: honest.public}


async def test_a_fresh_token_for_another_engine_moves_the_device(engine: TlsEngine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = TlsEngine(Authority(tmp_path / "other"), signing=SigningKey.from_seed(b"o" * 32))
    async with engine.run(), other.run():
        first = agent(tmp_path, engine.token)
        await first.client.ensure_authenticated()
        await first.client.close()
        moved = agent(tmp_path, other.token)
        moved.identity.vault(engine.authority.pin).clear_access(RunContext.SYSTEM)
        assert await moved.client.ensure_authenticated() in other.access
        await moved.client.close()
        assert moved.trust.ca_pin == other.authority.pin
        assert list(moved.trust.trusted) == [other.signing.public.key_id]
        # A service that still carries the old, used token does not go back.
        stale = agent(tmp_path, engine.token)
        assert not stale.flow.names_other_engine()
        assert stale.client.base_url == other.url
        assert await stale.client.ensure_authenticated() in other.access
        await stale.client.close()


async def test_a_new_ca_is_refused_until_an_operator_gives_a_fresh_token(engine: TlsEngine, tmp_path: Path) -> None:
    """Contract 2: the agent stops at a CA mismatch, never re-pins by itself, and goes on with a fresh token."""
    (tmp_path / "new").mkdir()
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
    new = TlsEngine(Authority(tmp_path / "new"), port=engine.port, fallback=lambda body, request: (200, {"new": True}))
    async with new.run():
        for _ in range(3):
            with pytest.raises(EngineNotTrusted):
                await world.client.post_json("/api/x", {})
        assert new.calls == []
        assert world.trust.ca_pin == engine.authority.pin
        world.settings.config_path.write_text(json.dumps({"installer_code": new.token}))
        assert await world.client.post_json("/api/x", {}) == {"new": True}
        await world.client.close()
    assert world.trust.ca_pin == new.authority.pin
    assert world.identity.vault(engine.authority.pin).peek_refresh() is None


async def test_a_revoked_device_comes_back_with_a_fresh_code_only(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        world = agent(tmp_path, engine.token)
        await world.client.ensure_authenticated()
        refresh = engine.handlers[Rest.TOKEN_REFRESH]
        engine.handlers[Rest.TOKEN_REFRESH] = lambda body, request: (403, {"error": "device_revoked"})
        with pytest.raises(Exception, match="revoked"):
            await world.client.renew()
        assert engine.paths().count(Rest.ENROLL_REQUEST) == 1
        world.settings.config_path.write_text(json.dumps({"installer_code": CODE}))
        polls = engine.handlers[Rest.ENROLL_POLL]

        def released(body: dict[str, Any], request: Any) -> Any:
            engine.handlers[Rest.TOKEN_REFRESH] = refresh
            return polls(body, request)

        engine.handlers[Rest.ENROLL_POLL] = released
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.close()
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 2


async def test_survives_an_engine_that_comes_late(engine: TlsEngine, tmp_path: Path) -> None:
    async with engine.run():
        token = engine.token
    world = agent(tmp_path, token)
    waiting = asyncio.ensure_future(world.client.ensure_authenticated())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    async with engine.run():
        assert await waiting in engine.access
        await world.client.close()


async def test_survives_a_renewed_leaf_while_the_operator_decides(engine: TlsEngine, tmp_path: Path) -> None:
    engine.decision = "pending"
    world = None
    async with engine.run():
        world = agent(tmp_path, engine.token)
        waiting = asyncio.ensure_future(world.client.ensure_authenticated())
        while len(engine.calls) < 3:
            await asyncio.sleep(0.01)
    engine.decision = "approved"
    async with engine.run():
        assert await waiting in engine.access
        await world.client.close()
    assert engine.paths().count(Rest.ENROLL_REQUEST) == 1


async def test_rejects_a_man_in_the_middle_with_a_leaf_of_the_pinned_ca(
    engine: TlsEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The proof is bound to the leaf that was seen: relayed to the Engine, whose leaf is another, it is refused."""
    async with engine.run():
        engine.leaf_der = b"the Engine's real leaf, which this connection never showed"
        world = agent(tmp_path, engine.token)
        waiting = asyncio.ensure_future(world.client.ensure_authenticated())
        while "refused the proof" not in caplog.text:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await world.client.close()
    assert engine.access == set()
    assert world.identity.load_guid() is None


async def test_survives_a_full_disk_at_the_end_of_an_enrolment(
    engine: TlsEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [2]

    def sometimes_full(*arguments: Any, **options: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(28, "No space left on device")
        write_atomic(*arguments, **options)

    monkeypatch.setattr("borealis_agent.identity.vault.write_atomic", sometimes_full)
    async with engine.run():
        world = agent(tmp_path, engine.token)
        assert await world.client.ensure_authenticated() in engine.access
        await world.client.close()
    assert "No space left" in caplog.text
