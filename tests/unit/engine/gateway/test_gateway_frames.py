"""Frames as text: what may pass, what is read of it, what is never turned into objects."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.gateway.frames import (
    MALFORMED,
    encode_event,
    encode_packet,
    is_accepted,
    read_packet,
    refusal_frames,
)


@pytest.mark.parametrize(
    "text", ["3", "1", "40", '40{"token":"x"}', "41", '42["a"]', '4212["a",{}]', "437[]", '431[{"a":1}]']
)
def test_what_our_clients_send_passes(text: str) -> None:
    assert is_accepted(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0{}",
        "2probe",
        "5",
        "6",
        "4",
        "40/",
        "40/admin,",
        "42/a,[]",
        "43[]",
        "44{}",
        "451-[]",
        "460-[]",
        "4²[]",
    ],
)
def test_rejects_every_other_frame(text: str | None) -> None:
    assert not is_accepted(text)


def test_an_events_payload_stays_raw() -> None:
    kind, number, (name, payload) = read_packet('217["quick_job_result",{"a":[1]},"more"]')
    assert (kind, number, name) == (2, 17, "quick_job_result")
    assert msgspec.json.decode(payload) == {"a": [1]}
    assert bytes(read_packet('2["request_config"]')[2][1]) == b"null"


@pytest.mark.parametrize(
    "text",
    [
        '2["connect"]',
        '2["disconnect",1]',
        '2["*"]',
        '2[""]',
        "2[1]",
        "2[]",
        '2["a"',
        '2{"a":1}',
        "2[" + "[" * 100_000,
        '2["a",\ud800]',
        '2["' + "n" * 65 + '"]',
        "x",
        "",
    ],
)
def test_rejects_events_that_cannot_be_read_without_raising(text: str) -> None:
    assert read_packet(text)[2][0] == MALFORMED


def test_a_deep_payload_costs_nothing_until_it_is_asked_for() -> None:
    deep = '2["a",' + "[" * 500 + "]" * 500 + "]"
    assert read_packet(deep)[2][0] in {"a", MALFORMED}


@pytest.mark.parametrize("text", ["31[", "31[" + '"x",' * 10_000 + "1]", "31[]", "31[\ud800]"])
def test_an_acknowledgement_that_cannot_be_read_is_none(text: str) -> None:
    assert read_packet(text) == (3, 1, [None])


def test_credentials_beside_connect_are_not_read() -> None:
    assert read_packet('0{"token":"secret"}') == (0, None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@given(st.text(), JSON, st.none() | st.integers(1, 10**9 - 1))
def test_every_text_is_read_to_something(text: str, value: Any, number: int | None) -> None:
    read_packet(text)
    sent = encode_event("event", value, number)
    assert is_accepted("4" + sent)
    kind, same, (name, payload) = read_packet(sent)
    assert (kind, same, name, msgspec.json.decode(payload)) == (2, number, "event", value)


def test_packets_are_what_socket_io_expects() -> None:
    assert encode_packet(3, 7, [{"status": "ok"}]) == '37[{"status":"ok"}]'
    assert encode_packet(0, None, {"sid": "x"}) == '0{"sid":"x"}'
    assert encode_packet(1, None, None) == "1"
    opening, error = refusal_frames("token_expired", "Refresh it.")
    assert opening.startswith('0{"sid"')
    assert json.loads(error[2:]) == {
        "message": "token_expired",
        "data": {"error": "token_expired", "detail": "Refresh it."},
    }
