"""What a device sends, member by member."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.enrolling_device import EnrollingDevice

from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment import context_of
from borealis_engine.enrolment.checks import check_poll, check_request
from borealis_wire import base64s
from borealis_wire.events import RunContext
from borealis_wire.messages import EnrolPoll, EnrolRequest

REQUEST = EnrollingDevice().request("code")
POLL = EnrolPoll(approval_reference="reference", client_nonce=REQUEST.client_nonce, proof_sig=base64s.encode(bytes(64)))


def request_refusal(**changes: Any) -> str:
    with pytest.raises(Invalid) as caught:
        check_request(msgspec.structs.replace(REQUEST, **changes))
    return caught.value.code


def poll_refusal(**changes: Any) -> str:
    with pytest.raises(Invalid) as caught:
        check_poll(msgspec.structs.replace(POLL, **changes))
    return caught.value.code


def test_an_honest_request_passes() -> None:
    checked = check_request(REQUEST)
    assert (checked.hostname, checked.key) == ("LAB-PC", EnrollingDevice().key.public)


def test_members_are_missed_in_upstreams_order() -> None:
    present: dict[str, Any] = {}
    for name, code in (
        ("hostname", "hostname_required"),
        ("enrollment_code", "enrollment_code_required"),
        ("agent_pubkey", "agent_pubkey_required"),
        ("client_nonce", "client_nonce_required"),
    ):
        with pytest.raises(Invalid) as caught:
            check_request(EnrolRequest(**present))
        assert caught.value.code == code
        present[name] = "x"
    with pytest.raises(Invalid, match="invalid_agent_pubkey"):
        check_request(EnrolRequest(**present))


@pytest.mark.parametrize("hostname", ["", "   ", "\x00\x01", "\N{ZERO WIDTH SPACE}"])
def test_rejects_a_hostname_of_nothing(hostname: str) -> None:
    assert request_refusal(hostname=hostname) == "hostname_required"


@pytest.mark.parametrize(
    "key",
    ["AAAA", "not base64!", base64s.encode(bytes(44)), base64s.encode(EnrollingDevice().key.public.raw)],
)
def test_rejects_keys_that_are_not_ed25519_in_spki(key: str) -> None:
    assert request_refusal(agent_pubkey=key) == "invalid_agent_pubkey"


def test_a_key_may_be_wrapped_and_url_safe_as_upstream_allows() -> None:
    text = EnrollingDevice("x").key.public.spki_base64.replace("+", "-").replace("/", "_")
    key = check_request(msgspec.structs.replace(REQUEST, agent_pubkey=f" {text[:20]}\r\n{text[20:]}\n")).key
    assert key == EnrollingDevice("x").key.public


@pytest.mark.parametrize("nonce", ["AAAA", base64s.encode(bytes(15)), "A" * 43, "A" * 43 + "-", "*" * 44, " " * 44])
def test_rejects_nonces_that_are_short_or_not_base64(nonce: str) -> None:
    assert request_refusal(client_nonce=nonce) == "invalid_client_nonce"
    assert poll_refusal(client_nonce=nonce) == "invalid_client_nonce"


def test_a_poll_misses_members_in_upstreams_order() -> None:
    assert poll_refusal(approval_reference="", client_nonce="", proof_sig="") == "approval_reference_required"
    assert poll_refusal(client_nonce="", proof_sig="") == "client_nonce_required"
    assert poll_refusal(proof_sig="") == "proof_sig_required"
    assert poll_refusal(client_nonce="AAAA", proof_sig="AAAA") == "invalid_client_nonce"


@pytest.mark.parametrize("size", [0, 63, 65])
def test_rejects_signatures_of_another_length(size: int) -> None:
    signature = base64s.encode(bytes(size)) or "="
    assert poll_refusal(proof_sig=signature) == "invalid_proof_sig"
    assert poll_refusal(proof_v2=signature) == "invalid_proof"


@given(st.text(max_size=120))
def test_rejects_any_text_as_a_proof(text: str) -> None:
    assert poll_refusal(proof_sig=text) in ("proof_sig_required", "invalid_proof_sig")


@pytest.mark.parametrize(
    ("header", "context"),
    [
        (None, RunContext.SYSTEM),
        ("", RunContext.SYSTEM),
        ("SYSTEM", RunContext.SYSTEM),
        ("CURRENTUSER", RunContext.INTERACTIVE),
        (" current user ", RunContext.INTERACTIVE),
        ("interactive", RunContext.INTERACTIVE),
        ("something else", RunContext.SYSTEM),
    ],
)
def test_the_context_header_is_read_as_upstream_does(header: str | None, context: RunContext) -> None:
    assert context_of(header) is context
