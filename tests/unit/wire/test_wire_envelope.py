"""Envelopes: what comes out is what a trusted key sealed, or nothing comes out."""

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from borealis_wire import base64s
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, open_envelope, pre_authentication_encoding, seal
from borealis_wire.events import RefusalCode
from borealis_wire.keys import SigningKey
from borealis_wire.limits import MAX_ENVELOPE_PAYLOAD_BYTES
from borealis_wire.refusal import Refused

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes(31) + b"\1")
TRUSTED = {KEY.public.key_id: KEY.public}
PAIRS = st.tuples(st.text(st.characters(codec="utf-8")), st.binary())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def opened(envelope: Any) -> bytes:
    return open_envelope(envelope, expected_type=JOB_TYPE, trusted=TRUSTED).payload


def refusal(envelope: Any, **options: Any) -> RefusalCode:
    with pytest.raises(Refused) as refused:
        open_envelope(envelope, **({"expected_type": JOB_TYPE, "trusted": TRUSTED} | options))
    assert refused.value.diagnostics()
    return refused.value.code


@given(st.binary(max_size=500))
def test_what_was_sealed_comes_out(payload: bytes) -> None:
    found = open_envelope(seal(JOB_TYPE, payload, KEY), expected_type=JOB_TYPE, trusted=TRUSTED)
    assert (found.payload, found.payload_type, found.key_id) == (payload, JOB_TYPE, KEY.public.key_id)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_rejects_another_payload_under_the_signature(payload: bytes, other: bytes) -> None:
    envelope = seal(JOB_TYPE, payload, KEY) | {"payload": base64s.encode(other)}
    if payload == other:
        assert opened(envelope) == payload
    else:
        assert refusal(envelope) is RefusalCode.BAD_SIGNATURE


@pytest.mark.slow
@given(st.binary(min_size=1, max_size=60), st.data())
def test_rejects_any_altered_character(payload: bytes, data: st.DataObject) -> None:
    envelope = seal(JOB_TYPE, payload, KEY)
    member = data.draw(st.sampled_from(["payload", "sig", "keyid", "payloadType"]))
    holder = envelope["signatures"][0] if member in {"sig", "keyid"} else envelope
    at = data.draw(st.integers(0, len(holder[member]) - 1))
    char = data.draw(st.characters(codec="utf-8"))
    altered = holder[member][:at] + char + holder[member][at + 1 :]
    if altered == holder[member]:
        return
    holder[member] = altered
    with pytest.raises(Refused):
        opened(envelope)


@pytest.mark.slow
@given(JSON | st.fixed_dictionaries({"payloadType": JSON, "payload": JSON, "signatures": JSON}))
@example({"payloadType": "\ud800", "payload": "", "signatures": []})
@example({"payloadType": JOB_TYPE, "payload": "", "signatures": [{"keyid": "\ud800", "sig": ""}]})
@example({"payloadType": JOB_TYPE, "payload": "", "signatures": [[]]})
def test_any_json_is_refused_and_never_another_exception(envelope: Any) -> None:
    before = copy.deepcopy(envelope)
    with pytest.raises(Refused):
        opened(envelope)
    assert repr(envelope) == repr(before)


def test_rejects_a_type_other_than_expected_before_any_signature_is_looked_at() -> None:
    assert refusal(seal(CANCEL_TYPE, b"{}", KEY)) is RefusalCode.UNSUPPORTED_TYPE
    assert refusal(seal(CANCEL_TYPE, b"{}", OTHER)) is RefusalCode.UNSUPPORTED_TYPE


def test_rejects_a_signature_that_was_made_for_another_type() -> None:
    assert refusal(seal(CANCEL_TYPE, b"{}", KEY) | {"payloadType": JOB_TYPE}) is RefusalCode.BAD_SIGNATURE


def test_rejects_an_unknown_key_and_an_empty_trust() -> None:
    assert refusal(seal(JOB_TYPE, b"{}", OTHER)) is RefusalCode.UNKNOWN_KEY
    assert refusal(seal(JOB_TYPE, b"{}", KEY), trusted={}) is RefusalCode.UNKNOWN_KEY


def test_rejects_sizes_over_the_limit_before_they_are_decoded() -> None:
    good = seal(JOB_TYPE, b"{}", KEY)
    huge = "A" * (MAX_ENVELOPE_PAYLOAD_BYTES * 4 // 3 + 5)
    assert refusal(good | {"payload": huge}) is RefusalCode.TOO_LARGE
    assert refusal(good | {"signatures": good["signatures"] * 5}) is RefusalCode.TOO_LARGE
    assert opened(seal(JOB_TYPE, bytes(MAX_ENVELOPE_PAYLOAD_BYTES), KEY)) == bytes(MAX_ENVELOPE_PAYLOAD_BYTES)


def test_one_good_signature_among_strangers_is_enough() -> None:
    good, stranger = seal(JOB_TYPE, b"{}", KEY), seal(JOB_TYPE, b"{}", OTHER)
    for order in ((stranger, good), (good, stranger)):
        assert opened(good | {"signatures": [item["signatures"][0] for item in order]}) == b"{}"


@pytest.mark.slow
@given(PAIRS, PAIRS)
def test_no_two_pairs_of_type_and_payload_are_signed_alike(one: tuple[str, bytes], two: tuple[str, bytes]) -> None:
    assert (pre_authentication_encoding(*one) == pre_authentication_encoding(*two)) is (one == two)
