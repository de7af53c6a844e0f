"""Access tokens: ours, unchanged, for now, and for the device as it is."""

import base64
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.core.errors import EngineError, Fatal, Unauthenticated
from borealis_engine.enrolment import AccessTokens, require_standing
from borealis_engine.enrolment.tokens import KEY_FILE
from borealis_wire.events import RunContext

NOW = 1_760_000_000.0


@dataclass(frozen=True)
class Device:
    guid: str = "0F0F0F0F-0000-4000-8000-000000000000"
    fingerprint: str = "f" * 64
    token_version: int = 1
    status: str = "active"


def load(folder: Path) -> AccessTokens:
    tokens = AccessTokens(folder=folder, randomness=FakeRandomness(), remembered=10)
    tokens.load()
    return tokens


@pytest.fixture
def tokens(tmp_path: Path) -> AccessTokens:
    return load(tmp_path / "keys")


@pytest.fixture
def signing_key(tokens: AccessTokens, tmp_path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key((tmp_path / "keys" / KEY_FILE).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def refusal(tokens: AccessTokens, token: str, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(token, now)
    return caught.value.code


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def test_an_issued_token_holds_for_900_seconds(tokens: AccessTokens) -> None:
    token = tokens.issue(Device(), RunContext.INTERACTIVE, NOW)
    claims = tokens.verify(token, NOW + 899)
    assert (claims.guid, claims.fingerprint, claims.token_version) == (Device().guid, "f" * 64, 1)
    assert (claims.context, claims.exp) == (RunContext.INTERACTIVE, int(NOW) + 900)
    assert refusal(tokens, token, NOW + 900) == "token_expired"
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT", "kid": tokens.key_id}


def test_the_key_survives_a_restart_and_is_its_owners_alone(tokens: AccessTokens, tmp_path: Path) -> None:
    token = tokens.issue(Device(), RunContext.SYSTEM, NOW)
    assert load(tmp_path / "keys").verify(token, NOW).guid == Device().guid
    assert stat.S_IMODE((tmp_path / "keys" / KEY_FILE).stat().st_mode) == 0o600


def test_rejects_tokens_of_another_engine(tokens: AccessTokens, tmp_path: Path) -> None:
    other = AccessTokens(folder=tmp_path / "other", randomness=FakeRandomness("other"))
    other.load()
    assert refusal(tokens, other.issue(Device(), RunContext.SYSTEM, NOW)) == "invalid_token"


def test_rejects_a_token_of_the_future(tokens: AccessTokens) -> None:
    assert refusal(tokens, tokens.issue(Device(), RunContext.SYSTEM, NOW + 3600)) == "invalid_token"


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "guid", "context", "token_version"])
def test_rejects_a_token_without_a_claim(tokens: AccessTokens, signing_key: Ed25519PrivateKey, claim: str) -> None:
    claims = claims_of(tokens.issue(Device(), RunContext.SYSTEM, NOW))
    del claims[claim]
    refusal(tokens, jwt.encode(claims, signing_key, algorithm="EdDSA"))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody-else"},
        {"iss": "somebody-else"},
        {"sub": "device:other"},
        {"guid": 7},
        {"ssl_key_fingerprint": None},
        {"token_version": 0},
        {"token_version": "1"},
        {"token_version": True},
        {"exp": "soon"},
        {"exp": 1e300},
        {"context": "admin"},
        {"context": ["system"]},
    ],
)
def test_rejects_claims_that_are_wrong(
    tokens: AccessTokens, signing_key: Ed25519PrivateKey, change: dict[str, Any]
) -> None:
    claims = {**claims_of(tokens.issue(Device(), RunContext.SYSTEM, NOW)), **change}
    refusal(tokens, jwt.encode(claims, signing_key, algorithm="EdDSA"))


def test_rejects_other_algorithms(tokens: AccessTokens, signing_key: Ed25519PrivateKey) -> None:
    claims = claims_of(tokens.issue(Device(), RunContext.SYSTEM, NOW))
    refusal(tokens, jwt.encode(claims, "", algorithm="none"))
    refusal(tokens, jwt.encode(claims, signing_key.public_key().public_bytes_raw(), algorithm="HS256"))


@given(st.text(max_size=300))
def test_rejects_any_text_that_is_no_token(text: str) -> None:
    tokens = AccessTokens(folder=Path("unused"), randomness=FakeRandomness())
    tokens._public = Ed25519PrivateKey.generate().public_key()
    assert refusal(tokens, text) in ("invalid_token", "invalid_claims")


def test_rejects_what_is_too_long_without_reading_it(tokens: AccessTokens) -> None:
    assert refusal(tokens, "A" * 5000) == "invalid_token"


def test_what_is_remembered_is_bounded_and_still_expires(tokens: AccessTokens) -> None:
    issued = [tokens.issue(Device(), RunContext.SYSTEM, NOW) for _ in range(30)]
    for token in issued:
        tokens.verify(token, NOW)
    assert tokens.statistics() == {"remembered_tokens": 10}
    assert refusal(tokens, issued[-1], NOW + 900) == "token_expired"
    assert tokens.statistics() == {"remembered_tokens": 9}


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_survives_a_torn_key_file_by_saying_so(tokens: AccessTokens, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys" / KEY_FILE
    path.write_bytes(content)
    with pytest.raises(Fatal, match="Restore it from a backup"):
        load(tmp_path / "keys")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("device", "code"),
    [
        (None, "device_not_found"),
        (Device(fingerprint="e" * 64), "fingerprint_mismatch"),
        (Device(token_version=2), "token_version_mismatch"),
        (Device(status="revoked"), "device_revoked"),
        (Device(status="decommissioned"), "device_revoked"),
    ],
)
def test_rejects_a_token_that_speaks_for_its_device_no_more(
    tokens: AccessTokens, device: Device | None, code: str
) -> None:
    claims = tokens.verify(tokens.issue(Device(), RunContext.SYSTEM, NOW), NOW)
    with pytest.raises(EngineError) as caught:
        require_standing(claims, device)
    assert caught.value.code == code


@pytest.mark.parametrize("status", ["active", "quarantined"])
def test_a_device_in_good_standing_is_given_back(tokens: AccessTokens, status: str) -> None:
    claims = tokens.verify(tokens.issue(Device(), RunContext.SYSTEM, NOW), NOW)
    assert require_standing(claims, Device(status=status)).status == status
