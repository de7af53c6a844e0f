"""Proofs of possession: only the device's own key, for this URL, now."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.enrolling_device import EnrollingDevice, jwk

from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment.dpop import MAX_PROOF_CHARS, DpopProof, normalise_url, thumbprint, verify_dpop
from borealis_wire.keys import SigningKey, VerifyKey

NOW = 1_760_000_000.0
URL = "https://engine.example:5000/api/agent/token/refresh"
DEVICE = EnrollingDevice()
OTHER = SigningKey.from_seed(b"\x07" * 32)


def verify(proof: str, **changes: Any) -> DpopProof:
    arguments: dict[str, Any] = {
        "device_key": DEVICE.key.public,
        "method": "POST",
        "urls": frozenset({URL}),
        "now": NOW,
        **changes,
    }
    return verify_dpop(proof, **arguments)


def make(**changes: Any) -> str:
    return DEVICE.dpop(**{"url": URL, "now": NOW, "jti": "one", **changes})


def refusal(proof: str, **changes: Any) -> str:
    with pytest.raises(Invalid) as caught:
        verify(proof, **changes)
    assert caught.value.code == "dpop_invalid"
    return caught.value.detail


def test_an_honest_proof_holds() -> None:
    proof = verify(make())
    assert proof.jkt == thumbprint(DEVICE.key.public)
    assert proof.proof_id == verify(make()).proof_id
    assert proof.proof_id != verify(make(jti="two")).proof_id


def test_the_thumbprint_is_the_one_of_rfc_8037() -> None:
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = VerifyKey(base64.urlsafe_b64decode(x + "="))
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "htu",
    ["HTTPS://Engine.Example:5000/api/agent/token/refresh", f"{URL}?x=1", f"{URL}#fragment"],
)
def test_the_url_is_compared_as_rfc_9449_says(htu: str) -> None:
    assert verify(make(htu=htu)).jkt


def test_the_default_port_may_be_left_out() -> None:
    urls = frozenset({"https://engine.example/x"})
    assert verify(make(htu="https://engine.example:443/x"), urls=urls).jkt


def test_rejects_a_proof_by_another_key() -> None:
    assert "its key is not the device's key" in refusal(make(key=OTHER))


def test_rejects_the_devices_key_in_the_header_over_anothers_signature() -> None:
    assert "signature" in refusal(make(key=OTHER, headers={"jwk": jwk(DEVICE.key)}))


def test_rejects_another_key_in_the_header() -> None:
    assert "its key is not the device's key" in refusal(make(headers={"jwk": jwk(OTHER)}))


@pytest.mark.parametrize("member", ["kty", "crv", "x"])
def test_rejects_a_header_key_that_lacks_a_member(member: str) -> None:
    key = {name: value for name, value in jwk(DEVICE.key).items() if name != member}
    refusal(make(headers={"jwk": key}))


def test_rejects_a_private_key_in_the_header() -> None:
    refusal(make(headers={"jwk": {**jwk(DEVICE.key), "d": "AAAA"}}))


def test_rejects_algorithm_none() -> None:
    refusal(make(algorithm="none"))


def test_rejects_an_algorithm_that_would_take_the_public_key_for_a_secret() -> None:
    claims = {"htm": "POST", "htu": URL, "iat": int(NOW), "jti": "one"}
    headers = {"typ": "dpop+jwt", "jwk": jwk(DEVICE.key)}
    refusal(jwt.encode(claims, DEVICE.key.public.raw, algorithm="HS256", headers=headers))


def test_rejects_another_algorithm_named_in_a_signed_header() -> None:
    head, body, signature = make().split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    for algorithm in ("none", "ES256", "EdDSA "):
        changed = base64.urlsafe_b64encode(json.dumps({**header, "alg": algorithm}).encode()).rstrip(b"=").decode()
        refusal(f"{changed}.{body}.{signature}")


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt"])
def test_rejects_a_token_of_another_type(typ: str | None) -> None:
    refusal(make(headers={"typ": typ}))


@pytest.mark.parametrize(
    "url",
    [
        "https://engine.example:5000/api/agent/token",
        "https://engine.example:5001/api/agent/token/refresh",
        "http://engine.example:5000/api/agent/token/refresh",
        "https://engine.example.evil:5000/api/agent/token/refresh",
        "https://engine.example:5000@evil/api/agent/token/refresh",
        "",
        7,
        None,
    ],
)
def test_rejects_a_proof_for_another_url(url: Any) -> None:
    refusal(make(htu=url))


@pytest.mark.parametrize("method", ["GET", "post", "", None, 1])
def test_rejects_a_proof_for_another_method(method: Any) -> None:
    refusal(make(htm=method))


@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_rejects_a_proof_of_another_time(age: int) -> None:
    assert "clocks" in refusal(make(iat=NOW - age))


@pytest.mark.parametrize(
    "issued", ["1760000000", True, None, [], float("nan"), float("inf"), -float("inf"), 10**400, -(10**400)]
)
def test_rejects_a_time_that_is_none(issued: Any) -> None:
    refusal(make(iat=issued))


@pytest.mark.parametrize("jti", ["", None, 7, "x" * 257, ["a"]])
def test_rejects_a_proof_without_a_usable_name(jti: Any) -> None:
    refusal(make(jti=jti))


@pytest.mark.parametrize("claim", ["htm", "htu", "iat", "jti"])
def test_rejects_a_proof_without_a_claim(claim: str) -> None:
    claims = {"htm": "POST", "htu": URL, "iat": int(NOW), "jti": "one"}
    del claims[claim]
    private = Ed25519PrivateKey.from_private_bytes(DEVICE.key.seed)
    headers = {"typ": "dpop+jwt", "jwk": jwk(DEVICE.key)}
    refusal(jwt.encode(claims, private, algorithm="EdDSA", headers=headers))


def test_rejects_a_proof_that_is_too_long() -> None:
    refusal("A" * (MAX_PROOF_CHARS + 1))


@given(st.text(max_size=200))
def test_rejects_any_text_that_is_no_proof(text: str) -> None:
    refusal(text)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_rejects_a_proof_with_any_character_changed(position: int, step: int) -> None:
    proof = make()
    at = position % len(proof)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if proof[at] == ".":
        return
    changed = alphabet[(alphabet.index(proof[at]) + 1 + step % 63) % 64]
    if at + 1 == len(proof) or proof[at + 1] == ".":
        return  # the last character of a part may hold bits that no decoder looks at
    refusal(proof[:at] + changed + proof[at + 1 :])


@given(st.text(max_size=60))
def test_normalising_never_fails(text: str) -> None:
    normalise_url(text)
    normalise_url(f"https://{text}")


def test_our_own_agents_proof_holds() -> None:
    from borealis_agent.http.dpop import make_proof

    proof = make_proof(DEVICE.key, method="POST", url=URL, now=NOW, proof_id="one")
    assert verify(proof) == verify(make())
