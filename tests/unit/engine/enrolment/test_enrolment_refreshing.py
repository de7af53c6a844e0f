"""Refresh: each token once, only with the device's key, and the second user is found out."""

import asyncio
from typing import Any

import pytest
from tests.fakes.device_world import ADMIN, HERE
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.enrolment_world import REFRESH_URL, EnrolmentWorld, refused

from borealis_engine.core.errors import RateLimited
from borealis_engine.enrolment import EnrolmentLimits
from borealis_engine.enrolment.models import DAY
from borealis_engine.enrolment.refreshing import refresh_urls
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey
from borealis_wire.limits import REFRESH_TOKEN_SECONDS
from borealis_wire.messages import EnrolApproved, TokenRefreshRequest

OTHER_KEY = SigningKey.from_seed(b"\x07" * 32)


async def enrolled(room: EnrolmentWorld, *, bound: bool = True) -> tuple[EnrollingDevice, EnrolApproved]:
    device = EnrollingDevice()
    return device, await room.enrol(device, bound=bound)


async def test_a_refresh_brings_a_new_access_token_and_the_successor(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    answer = await room.refresh(device, tokens.guid.lower(), tokens.refresh_token)
    assert (answer.expires_in, answer.token_type) == (900, "Bearer")
    assert answer.refresh_token not in ("", tokens.refresh_token)
    claims = room.access_tokens.verify(answer.access_token, room.clock.now())
    assert (claims.guid, claims.context) == (tokens.guid, RunContext.SYSTEM)
    await room.refresh(device, tokens.guid, answer.refresh_token)


async def test_the_context_of_the_header_is_the_tokens(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    answer = await room.service.refresh(
        TokenRefreshRequest(guid=tokens.guid, refresh_token=tokens.refresh_token),
        room.proof(device),
        frozenset({REFRESH_URL}),
        "a",
        RunContext.INTERACTIVE,
    )
    claims = room.access_tokens.verify(answer.access_token, room.clock.now())
    assert claims.context is RunContext.INTERACTIVE


async def test_survives_lost_answers(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    for _ in range(20):
        answer = await room.refresh(device, tokens.guid, tokens.refresh_token)
        room.clock.advance(60)
    await room.refresh(device, tokens.guid, answer.refresh_token)


async def test_rejects_a_token_whose_successor_was_used_and_ends_the_family(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token)
    third = await room.refresh(device, tokens.guid, second.refresh_token)
    room.feed.changes.clear()
    error = await refused(room.refresh(device, tokens.guid, tokens.refresh_token))
    assert (error.status, error.code) == (401, "refresh_token_revoked")
    assert "device.tokens_revoked" in await room.actions()
    assert room.told("alert") == ["refresh_token_reused"]
    for token in (tokens.refresh_token, second.refresh_token, third.refresh_token):
        assert (await refused(room.refresh(device, tokens.guid, token))).code == "refresh_token_revoked"
    assert (await room.actions()).count("device.tokens_revoked") == 1


async def test_rejects_an_old_token_that_was_pruned_and_ends_the_family(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token)
    third = await room.refresh(device, tokens.guid, second.refresh_token)
    room.clock.advance(2 * DAY)
    await room.service.prune()
    fourth = await room.refresh(device, tokens.guid, third.refresh_token)
    assert (await refused(room.refresh(device, tokens.guid, tokens.refresh_token))).code == "refresh_token_revoked"
    assert (await refused(room.refresh(device, tokens.guid, fourth.refresh_token))).code == "refresh_token_revoked"


async def test_rejects_a_stolen_refresh_token_without_the_device_key(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    without = await refused(room.refresh(device, tokens.guid, tokens.refresh_token, dpop=None))
    assert (without.status, without.code) == (400, "dpop_invalid")
    own = room.proof(EnrollingDevice("thief"))
    assert (await refused(room.refresh(device, tokens.guid, tokens.refresh_token, dpop=own))).code == "dpop_invalid"
    assert (await refused(room.refresh(device, tokens.guid, tokens.refresh_token, dpop="x"))).code == "dpop_invalid"
    await room.refresh(device, tokens.guid, tokens.refresh_token)


async def test_rejects_a_thief_without_the_key_who_would_end_the_family(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token)
    third = await room.refresh(device, tokens.guid, second.refresh_token)
    for dpop in (None, room.proof(EnrollingDevice("thief"))):
        await refused(room.refresh(device, tokens.guid, tokens.refresh_token, dpop=dpop))
    for token in ("nonsense", "A" * 64):
        assert (await refused(room.refresh(device, tokens.guid, token, dpop=None))).code == "invalid_refresh_token"
    await room.refresh(device, tokens.guid, third.refresh_token)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": OTHER_KEY},
        {"url": "https://engine.example:5000/api/agent/heartbeat"},
        {"url": "https://other.example:5000/api/agent/token/refresh"},
        {"htm": "GET"},
        {"iat": 0},
        {"algorithm": "none"},
    ],
)
async def test_rejects_proofs_for_something_else(room: EnrolmentWorld, changes: dict[str, Any]) -> None:
    device, tokens = await enrolled(room)
    error = await refused(room.refresh(device, tokens.guid, tokens.refresh_token, dpop=room.proof(device, **changes)))
    assert (error.status, error.code) == (400, "dpop_invalid")
    await room.refresh(device, tokens.guid, tokens.refresh_token)


async def test_rejects_a_replayed_proof(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    proof = room.proof(device)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token, dpop=proof)
    for token in (tokens.refresh_token, second.refresh_token, "unknown"):
        error = await refused(room.refresh(device, tokens.guid, token, dpop=proof))
        assert (error.status, error.code) == (400, "dpop_replayed")
    await room.refresh(device, tokens.guid, second.refresh_token)


async def test_rejects_another_devices_refresh_token(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    other = EnrollingDevice("other", hostname="OTHER")
    theirs = await room.enrol(other)
    assert (await refused(room.refresh(other, tokens.guid, theirs.refresh_token))).code == "invalid_refresh_token"
    assert (await refused(room.refresh(other, tokens.guid, tokens.refresh_token))).code == "dpop_invalid"
    await room.refresh(device, tokens.guid, tokens.refresh_token)
    await refused(room.refresh(other, theirs.guid, tokens.refresh_token))
    await room.refresh(device, tokens.guid, tokens.refresh_token)


async def test_an_upstream_agent_refreshes_without_proof_until_it_sends_one(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room, bound=False)
    for _ in range(3):  # it never takes up the successor
        await room.refresh(device, tokens.guid, tokens.refresh_token, dpop=None)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token)
    error = await refused(room.refresh(device, tokens.guid, second.refresh_token, dpop=None))
    assert error.code == "dpop_invalid"


async def test_a_device_that_once_sent_proofs_has_to_after_it_enrols_again(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room, bound=False)
    await room.refresh(device, tokens.guid, tokens.refresh_token)
    room.clock.advance(DAY)
    again = await room.enrol(device, bound=False)
    assert (await refused(room.refresh(device, again.guid, again.refresh_token, dpop=None))).code == "dpop_invalid"


async def test_rejects_a_revoked_device(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    await room.revoke(tokens.guid)
    error = await refused(room.refresh(device, tokens.guid, tokens.refresh_token))
    assert (error.status, error.code) == (403, "device_revoked")
    assert (await refused(room.refresh(device, tokens.guid, "unknown"))).code == "invalid_refresh_token"


async def test_a_quarantined_device_may_report(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    await room.devices.deeds.set_status(ADMIN, tokens.guid, "quarantined", address=HERE)
    await room.refresh(device, tokens.guid, tokens.refresh_token)


async def test_rejects_a_device_that_was_deleted(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    await room.devices.deeds.delete(ADMIN, tokens.guid, address=HERE)
    error = await refused(room.refresh(device, tokens.guid, tokens.refresh_token))
    assert (error.status, error.code) == (404, "device_not_found")
    assert (await refused(room.refresh(device, tokens.guid, "unknown"))).code == "invalid_refresh_token"


async def test_a_token_lives_ninety_days_from_its_last_use(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    room.clock.advance(REFRESH_TOKEN_SECONDS - 1)
    second = await room.refresh(device, tokens.guid, tokens.refresh_token)
    room.clock.advance(REFRESH_TOKEN_SECONDS)
    error = await refused(room.refresh(device, tokens.guid, second.refresh_token))
    assert (error.status, error.code) == (401, "refresh_token_expired")


@pytest.mark.parametrize(("guid", "token"), [("", "x"), ("x", ""), ("", "")])
async def test_rejects_a_refresh_that_lacks_something(room: EnrolmentWorld, guid: str, token: str) -> None:
    error = await refused(room.refresh(EnrollingDevice(), guid, token))
    assert (error.status, error.code) == (400, "invalid_request")


def test_the_host_header_counts_only_where_the_certificate_names_it(room: EnrolmentWorld) -> None:
    def urls(host: str) -> frozenset[str]:
        return refresh_urls(host=host, public_url="https://engine.example:5000", certificates=room.certificates)

    assert urls("localhost:8443") == {REFRESH_URL, "https://localhost:8443/api/agent/token/refresh"}
    assert urls("127.0.0.1") == {REFRESH_URL, "https://127.0.0.1/api/agent/token/refresh"}
    for host in ("evil.example", "", "[::1", "localhost@evil.example", "evil.example/?localhost"):
        assert urls(host) == {REFRESH_URL}


class TestLimits:
    @pytest.fixture
    def limits(self) -> EnrolmentLimits:
        return EnrolmentLimits()

    async def test_rejects_hammering_and_locks_nobody_else_out(self, room: EnrolmentWorld) -> None:
        device, tokens = await enrolled(room)
        for _ in range(12):
            await refused(room.refresh(device, tokens.guid, "guess", dpop=None, peer="203.0.113.9"))
        error = await refused(room.refresh(device, tokens.guid, "guess", dpop=None, peer="203.0.113.9"))
        assert isinstance(error, RateLimited)
        await room.refresh(device, tokens.guid, tokens.refresh_token)


async def test_two_refreshes_at_once_are_two_lost_answers_at_most(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room)
    answers = await asyncio.gather(*(room.refresh(device, tokens.guid, tokens.refresh_token) for _ in range(8)))
    assert len({answer.refresh_token for answer in answers}) == 8
    await room.refresh(device, tokens.guid, answers[3].refresh_token)
    error = await refused(room.refresh(device, tokens.guid, answers[4].refresh_token))
    assert error.code == "refresh_token_revoked"


async def test_old_tokens_do_not_pile_up(room: EnrolmentWorld) -> None:
    device, tokens = await enrolled(room, bound=False)
    for _ in range(50):
        await room.refresh(device, tokens.guid, tokens.refresh_token, dpop=None)
        room.clock.advance(840)
    count = await room.read(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM refresh_tokens").scalar_one())
    assert count <= 12
