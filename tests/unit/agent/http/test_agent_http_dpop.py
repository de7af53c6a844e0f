"""Proofs of possession, judged by the Engine's own judge."""

import base64
import json

import pytest

from borealis_agent.http.dpop import make_proof
from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment.dpop import thumbprint, verify_dpop
from borealis_wire.keys import SigningKey

KEY, OTHER = SigningKey.from_seed(b"k" * 32), SigningKey.from_seed(b"o" * 32)
URL = "https://engine.example:5000/api/agent/token/refresh"
NOW = 1_760_000_000.0


def proof(now: float = NOW, url: str = URL, method: str = "POST", proof_id: str = "one") -> str:
    return make_proof(KEY, method=method, url=url, now=now, proof_id=proof_id)


def test_the_engine_accepts_it() -> None:
    verified = verify_dpop(proof(), device_key=KEY.public, method="POST", urls=frozenset({URL}), now=NOW)
    assert verified.jkt == thumbprint(KEY.public)
    other = verify_dpop(proof(proof_id="two"), device_key=KEY.public, method="POST", urls=frozenset({URL}), now=NOW)
    assert other.proof_id != verified.proof_id


def test_it_carries_the_public_key_only_and_no_access_token_hash() -> None:
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in proof().split(".")[:2]
    )
    assert header["typ"] == "dpop+jwt"
    assert header["alg"] == "EdDSA"
    assert set(header["jwk"]) == {"kty", "crv", "x"}
    assert set(claims) == {"jti", "htm", "htu", "iat"}


@pytest.mark.parametrize(
    "made",
    [
        proof(now=NOW - 301),
        proof(now=NOW + 301),
        proof(url=URL + "/other"),
        proof(url="https://attacker.example/api/agent/token/refresh"),
        proof(method="GET"),
        proof()[:-2],
        proof()[:-4] + "AAAA",
        make_proof(OTHER, method="POST", url=URL, now=NOW, proof_id="one"),
    ],
)
def test_rejects_a_proof_for_anything_else(made: str) -> None:
    with pytest.raises(Invalid):
        verify_dpop(made, device_key=KEY.public, method="POST", urls=frozenset({URL}), now=NOW)
