"""What each answer of the Engine means: the tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.http.answer import Answer, read_answer
from borealis_agent.http.verdicts import REVOKED_RETRY_SECONDS, Verdict, read_refresh, read_request

TOKEN = {"access_token": "a", "expires_in": 900}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, TOKEN, Verdict.OK),
        (200, {}, Verdict.WAIT),
        (200, {"access_token": ""}, Verdict.WAIT),
        (200, {"access_token": 5}, Verdict.WAIT),
        (400, {"error": "invalid_request"}, Verdict.REJECTED),
        (400, {"error": "dpop_replayed"}, Verdict.NEW_PROOF),
        (400, {"error": "dpop_invalid"}, Verdict.NEW_PROOF),
        (401, {"error": "dpop_required"}, Verdict.NEW_PROOF),
        (401, {"error": "invalid_refresh_token"}, Verdict.REENROL),
        (401, {"error": "refresh_token_revoked"}, Verdict.REENROL),
        (401, {"error": "refresh_token_expired"}, Verdict.REENROL),
        (401, {"error": "device_purged"}, Verdict.REENROL),
        (401, {}, Verdict.REENROL),
        (404, {"error": "device_not_found"}, Verdict.REENROL),
        (404, {}, Verdict.REJECTED),
        (403, {"error": "device_revoked"}, Verdict.REVOKED),
        (403, {"error": "fingerprint_mismatch"}, Verdict.REENROL),
        (403, {"error": "guid_mismatch"}, Verdict.RELOAD),
        (403, {"error": "whatever"}, Verdict.REJECTED),
        (429, {"error": "rate_limited"}, Verdict.WAIT),
        (500, {}, Verdict.WAIT),
        (502, {}, Verdict.WAIT),
        (503, {}, Verdict.WAIT),
        (301, {}, Verdict.REJECTED),
    ],
)
def test_an_answer_to_a_refresh(status: int, body: dict[str, object], verdict: Verdict) -> None:
    assert read_refresh(Answer(status, body)).verdict is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (200, "", Verdict.OK),
        (201, "", Verdict.OK),
        (400, "malformed", Verdict.REJECTED),
        (401, "token_expired", Verdict.REFRESH),
        (401, "invalid_token", Verdict.REFRESH),
        (401, "device_mismatch", Verdict.REFRESH),
        (403, "fingerprint_mismatch", Verdict.REFRESH),
        (403, "token_version_mismatch", Verdict.REFRESH),
        (403, "guid_mismatch", Verdict.RELOAD),
        (403, "device_revoked", Verdict.REVOKED),
        (403, "device_quarantined", Verdict.REJECTED),
        (404, "device_not_found", Verdict.REJECTED),
        (413, "too_large", Verdict.REJECTED),
        (429, "rate_limited", Verdict.WAIT),
        (503, "", Verdict.WAIT),
        (302, "", Verdict.REJECTED),
    ],
)
def test_an_answer_to_a_request(status: int, code: str, verdict: Verdict) -> None:
    assert read_request(Answer(status, {"error": code} if code else {})).verdict is verdict


def test_a_named_wait_is_kept() -> None:
    assert read_request(Answer(429, {}, retry_after=7.0)).retry_after == 7.0
    assert read_refresh(Answer(503, {}, retry_after=9.0)).retry_after == 9.0
    assert read_refresh(Answer(403, {"error": "device_revoked"})).retry_after == REVOKED_RETRY_SECONDS


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"", {}),
        (b"[1]", {}),
        (b"<html>", {}),
        (b"\xff", {}),
        (b'{"a": 1, "a": 2}', {}),
        (b'{"a": NaN}', {}),
        (b"[" * 100_000, {}),
    ],
)
def test_a_body_that_is_no_strict_object_counts_as_empty(raw: bytes, body: dict[str, object]) -> None:
    assert read_answer(200, raw, {}).body == body


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("999999", 3600.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_bounded(text: str, seconds: float | None) -> None:
    assert read_answer(429, b"", {"Retry-After": text}).retry_after == seconds


def test_the_engines_time_is_read() -> None:
    assert read_answer(400, b"", {"Date": "Thu, 09 Oct 2025 08:53:20 GMT"}).server_time == 1_760_000_000
    for bad in ("yesterday", "Thu, 99 Oct 2025 08:53:20 GMT", "", "\x00"):
        assert read_answer(400, b"", {"Date": bad}).server_time is None


@given(st.text(max_size=40), st.text(max_size=40), st.integers(100, 599), st.binary(max_size=60))
def test_survives_whatever_an_engine_may_answer(retry: str, date: str, status: int, raw: bytes) -> None:
    answer = read_answer(status, raw, {"Retry-After": retry, "Date": date})
    assert read_refresh(answer).verdict in set(Verdict)
    assert read_request(answer).verdict in set(Verdict)
