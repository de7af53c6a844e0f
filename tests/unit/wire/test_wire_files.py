"""The order about files: to bytes and back, and nothing else is taken."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire import strict_json
from borealis_wire.files import MAX_FILE_BYTES, MAX_ORDER_BYTES, MAX_PATH, FileAction, FilesOrder, parse_files
from borealis_wire.refusal import Refused

READ = FilesOrder("o", "G", "olga", FileAction.READ, 1000.0, 1060.0, path="/etc/hosts", offset=7, version="1-2")
WRITE = FilesOrder(
    "o",
    "G",
    "olga",
    FileAction.WRITE,
    1000.0,
    1060.0,
    path="notes/a.txt",
    user="uwe",
    offset=3,
    size=9,
    transfer_id="0" * 32,
    sha256="f" * 64,
    mode=0o640,
    overwrite=True,
)
LIST = FilesOrder("o", "G", "olga", FileAction.LIST, 1000.0, 1060.0)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


@pytest.mark.parametrize("order", [READ, WRITE, LIST, replace(LIST, action=FileAction.STAT, transfer_id="a" * 32)])
def test_an_order_about_files_reads_back_as_it_was(order: FilesOrder) -> None:
    assert parse_files(order.to_payload()) == order


@given(path=NAMES, offset=st.integers(0, MAX_FILE_BYTES))
def test_any_path_and_any_byte_come_through(path: str, offset: int) -> None:
    order = replace(READ, path=path, offset=offset)
    assert parse_files(order.to_payload()) == order


def test_the_longest_path_fits_into_an_order() -> None:
    for path in ("/" * MAX_PATH, "\x01" * MAX_PATH, "\U0001f600" * (MAX_PATH // 4)):
        order = replace(WRITE, path=path, asked_by="\x01" * 256, user="\x01" * 256)
        assert len(order.to_payload()) <= MAX_ORDER_BYTES
        assert parse_files(order.to_payload()) == order


@pytest.mark.parametrize(
    ("order", "change"),
    [
        (LIST, {"action": "rename"}),
        (LIST, {"action": ["list"]}),
        (LIST, {"path": None}),
        (LIST, {"path": "a\0b"}),
        (LIST, {"path": "\u00fc" * MAX_PATH}),
        (LIST, {"size": 1}),
        (LIST, {"offset": 1}),
        (LIST, {"mode": 0}),
        (LIST, {"overwrite": True}),
        (LIST, {"transfer_id": "a" * 32}),
        (LIST, {"sha256": "a" * 64}),
        (LIST, {"version": "1"}),
        (LIST, {"surprise": 1}),
        (LIST, {"asked_by": ""}),
        (LIST, {"expires_at": 1061.0}),
        (LIST, {"expires_at": 1000.0}),
        (READ, {"offset": -1}),
        (READ, {"offset": True}),
        (READ, {"offset": MAX_FILE_BYTES + 1}),
        (READ, {"version": "x" * 129}),
        (WRITE, {"overwrite": 1}),
        (WRITE, {"transfer_id": ""}),
        (WRITE, {"transfer_id": "A" * 32}),
        (WRITE, {"transfer_id": "../" + "a" * 29}),
        (WRITE, {"path": ""}),
        (WRITE, {"offset": 10}),
        (WRITE, {"mode": 0o4755}),
        (WRITE, {"sha256": "f" * 63}),
        (WRITE, {"sha256": "g" * 64}),
        (WRITE, {"version": "1"}),
    ],
)
def test_rejects_an_order_about_files_that_is_not_one(order: FilesOrder, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_files(strict_json.canonical({**order.to_json(), **change}))


@pytest.mark.parametrize("missing", sorted(WRITE.to_json()))
def test_rejects_an_order_about_files_that_lacks_a_condition(missing: str) -> None:
    members = WRITE.to_json()
    del members[missing]
    with pytest.raises(Refused, match="malformed"):
        parse_files(strict_json.canonical(members))


@given(st.binary(max_size=200))
def test_rejects_bytes_that_are_no_order_about_files(payload: bytes) -> None:
    with pytest.raises(Refused):
        parse_files(payload)
