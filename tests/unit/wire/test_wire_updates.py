"""Orders to update: read back as they were written, and refused in every other form."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire.refusal import Refused
from borealis_wire.updates import MAX_PACKAGE_BYTES, UpdateOrder, is_older, parse_update

ORDER = UpdateOrder("r", "G", "0" * 16, "1.2", "a" * 64, 1000, False, 1.0, 2.0)


def payload(**changes: Any) -> bytes:
    return json.dumps({**json.loads(ORDER.to_payload()), **changes}).encode()


def test_what_is_written_is_read() -> None:
    assert parse_update(ORDER.to_payload()) == ORDER
    older = dataclasses.replace(ORDER, allow_older=True)
    assert parse_update(older.to_payload()) == older


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": ""},
        {"request_id": "x" * 65},
        {"device_guid": 7},
        {"build_id": "0" * 15},
        {"build_id": "../../../../etc0"},
        {"sha256": "A" * 64},
        {"sha256": "a" * 63 + "/"},
        {"release": "1.x"},
        {"release": ""},
        {"size": 0},
        {"size": True},
        {"size": 1.5},
        {"allow_older": 1},
        {"issued_at": "1"},
        {"issued_at": 3.0},
        {"expires_at": 1e13},
        {"more": 1},
    ],
)
def test_rejects_an_order_of_another_form(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_update(payload(**changes))


def test_rejects_a_package_larger_than_is_taken() -> None:
    with pytest.raises(Refused, match="too_large"):
        parse_update(payload(size=MAX_PACKAGE_BYTES + 1))


@given(st.binary(max_size=400))
def test_rejects_any_bytes(raw: bytes) -> None:
    with pytest.raises(Refused):
        parse_update(raw)


@pytest.mark.parametrize(
    ("release", "than", "older"),
    [("1.9", "1.10", True), ("1.10", "1.9", False), ("1", "1.0", False), ("1.0", "1", False), ("0.1", "1", True)],
)
def test_releases_are_compared_by_number(release: str, than: str, older: bool) -> None:
    assert is_older(release, than) is older


def test_rejects_what_is_no_release() -> None:
    with pytest.raises(ValueError, match="no release"):
        is_older("1.0-beta", "1")
