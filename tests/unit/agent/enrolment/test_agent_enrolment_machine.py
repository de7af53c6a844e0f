"""What the Engine's answers mean for an enrolment: the tables."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.enrolment.machine import Challenge, Outcome, backoff_for, read_poll, read_request
from borealis_agent.http.answer import Answer
from borealis_wire import base64s

SERVER_NONCE, CLIENT_NONCE = base64s.encode(b"s" * 32), base64s.encode(b"c" * 32)
PENDING = {"status": "pending", "approval_reference": "ref", "server_nonce": SERVER_NONCE, "poll_after_ms": 3000}


def test_a_request_brings_a_challenge_and_a_time() -> None:
    reading, challenge = read_request(Answer(200, PENDING), CLIENT_NONCE)
    assert (reading.outcome, reading.wait) == (Outcome.PENDING, 3.0)
    assert challenge == Challenge("ref", SERVER_NONCE, CLIENT_NONCE)


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [
        (0, 3.0),
        (-5, 3.0),
        (None, 3.0),
        ("5", 3.0),
        (True, 3.0),
        (10, 1.0),
        (60_000, 15.0),
        (5000, 5.0),
        (float("nan"), 3.0),
    ],
)
def test_a_poll_waits_from_one_to_fifteen_seconds(milliseconds: Any, seconds: float) -> None:
    reading, _ = read_request(Answer(200, {**PENDING, "poll_after_ms": milliseconds}), CLIENT_NONCE)
    assert reading.wait == seconds


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {}, Outcome.REJECTED),
        (200, {**PENDING, "approval_reference": ""}, Outcome.REJECTED),
        (200, {**PENDING, "approval_reference": 5}, Outcome.REJECTED),
        (200, {**PENDING, "approval_reference": "x" * 300}, Outcome.REJECTED),
        (200, {**PENDING, "server_nonce": "?"}, Outcome.REJECTED),
        (200, {**PENDING, "server_nonce": base64s.encode(b"short")}, Outcome.REJECTED),
        (400, {"error": "invalid_enrollment_code"}, Outcome.CODE_REFUSED),
        (400, {"error": "code_consumed"}, Outcome.CODE_REFUSED),
        (400, {"error": "hostname_required"}, Outcome.REJECTED),
        (404, {}, Outcome.REJECTED),
        (429, {"error": "rate_limited"}, Outcome.BUSY),
        (503, {"error": "too_many_pending"}, Outcome.BUSY),
        (500, {}, Outcome.BUSY),
    ],
)
def test_a_request_that_brings_none(status: int, body: dict[str, Any], outcome: Outcome) -> None:
    reading, challenge = read_request(Answer(status, body), CLIENT_NONCE)
    assert (reading.outcome, challenge) == (outcome, None)


def test_a_used_up_code_is_told_from_an_unknown_one_with_what_to_do() -> None:
    used, _ = read_request(Answer(400, {"error": "code_consumed"}), CLIENT_NONCE)
    unknown, _ = read_request(Answer(400, {"error": "invalid_enrollment_code"}), CLIENT_NONCE)
    assert "used up" in used.sentence
    assert "expired" in unknown.sentence
    assert all("borealis codes create" in reading.sentence for reading in (used, unknown))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"status": "approved", "access_token": "a"}, Outcome.APPROVED),
        (200, {"status": "approved", "detail": "finalized"}, Outcome.FINALIZED),
        (200, {"status": "completed"}, Outcome.FINALIZED),
        (200, {"status": "pending", "poll_after_ms": 5000}, Outcome.PENDING),
        (200, {"status": "denied", "reason": "operator_denied"}, Outcome.DENIED),
        (200, {"status": "expired"}, Outcome.EXPIRED),
        (200, {"status": ["approved"]}, Outcome.REJECTED),
        (200, {"status": "else"}, Outcome.REJECTED),
        (200, {}, Outcome.REJECTED),
        (404, {"status": "unknown"}, Outcome.UNKNOWN),
        (404, {}, Outcome.UNKNOWN),
        (409, {"error": "proof_replayed"}, Outcome.FINALIZED),
        (400, {"error": "invalid_proof"}, Outcome.PROOF_REFUSED),
        (400, {"error": "nonce_mismatch"}, Outcome.PROOF_REFUSED),
        (400, {"error": "agent_pubkey_invalid"}, Outcome.REJECTED),
        (429, {"error": "rate_limited"}, Outcome.BUSY),
        (502, {}, Outcome.BUSY),
    ],
)
def test_an_answer_to_a_poll(status: int, body: dict[str, Any], outcome: Outcome) -> None:
    reading = read_poll(Answer(status, body, retry_after=4.0))
    assert reading.outcome is outcome
    assert reading.sentence
    assert reading.wait == {Outcome.BUSY: 4.0, Outcome.PENDING: 5.0}.get(outcome)


def test_a_denial_says_so() -> None:
    assert "denied" in read_poll(Answer(200, {"status": "denied"})).sentence


@pytest.mark.parametrize("outcome", Outcome)
def test_attempts_are_spaced_within_bounds(outcome: Outcome) -> None:
    backoff, rng = backoff_for(outcome), random.Random(1)
    delays = [backoff.next_delay(rng) for _ in range(50)]
    assert all(backoff.floor <= delay <= backoff.longest for delay in delays)
    assert len(set(delays)) > 10
    if outcome is Outcome.DENIED:
        assert min(delays) >= 120


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(
            ["status", "error", "detail", "access_token", "approval_reference", "server_nonce", "poll_after_ms"]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=30)
        | st.lists(st.integers(), max_size=2),
    ),
)
def test_survives_whatever_an_engine_may_answer(status: int, body: dict[str, Any]) -> None:
    reading, challenge = read_request(Answer(status, body), CLIENT_NONCE)
    assert (challenge is None) == (reading.outcome is not Outcome.PENDING)
    assert read_poll(Answer(status, body)).outcome in set(Outcome)
