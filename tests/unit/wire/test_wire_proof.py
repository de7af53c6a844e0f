"""Proofs: what is signed names every part, so that none can be moved into another."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire.proof import PROOF_V2_LABEL, proof_message, proof_v2_message, proof_v2_message_for_leaf

RAW = st.binary(max_size=40)
PARTS = st.tuples(RAW, st.text(st.characters(codec="utf-8"), max_size=20), RAW, RAW)
Parts = tuple[bytes, str, bytes, bytes]


@pytest.mark.slow
@given(PARTS, PARTS)
def test_no_two_enrolments_are_proven_alike(one: Parts, two: Parts) -> None:
    assert (proof_v2_message(*one) == proof_v2_message(*two)) is (one == two)


@given(PARTS)
def test_behind_a_proxy_the_same_bytes_are_proven(parts: Parts) -> None:
    server, reference, client = parts[:3]
    digest = hashlib.sha256(parts[3]).digest()
    assert proof_v2_message(*parts) == proof_v2_message_for_leaf(server, reference, client, digest)
    assert proof_v2_message(*parts)[4 : 4 + len(PROOF_V2_LABEL)] == PROOF_V2_LABEL


@pytest.mark.slow
@given(PARTS)
def test_a_proof_of_one_kind_is_none_of_the_other(parts: Parts) -> None:
    server, reference, client, _ = parts
    assert proof_message(server, reference, client) != proof_v2_message(*parts)
