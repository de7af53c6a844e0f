"""The desktop's order: to bytes and back, and nothing else is taken."""

from dataclasses import replace
from typing import Any

import pytest

from borealis_wire import strict_json
from borealis_wire.desktop import Consent, DesktopKind, DesktopOrder, parse_desktop
from borealis_wire.lines import BadLine, LineReader, write_line
from borealis_wire.refusal import Refused

ORDER = DesktopOrder("o", "s", "G", "olga", DesktopKind.SCREEN, 1000.0, 1060.0, consent=Consent.ASK, view_only=True)


@pytest.mark.parametrize("order", [ORDER, replace(ORDER, kind=DesktopKind.OWN, user="uwe", width=800, height=600)])
def test_an_order_reads_back_as_it_was(order: DesktopOrder) -> None:
    assert parse_desktop(order.to_payload()) == order


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "window"},
        {"kind": ["screen"]},
        {"kind": "own"},
        {"consent": "maybe"},
        {"consent": {}},
        {"view_only": 1},
        {"view_only": None},
        {"ask_seconds": 121},
        {"ask_seconds": True},
        {"width": 319},
        {"height": 7681},
        {"user": None},
        {"session_id": ""},
        {"expires_at": 1061.0},
        {"expires_at": 1000.0},
        {"surprise": 1},
    ],
)
def test_rejects_an_order_that_is_not_one(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_desktop(strict_json.canonical({**ORDER.to_json(), **change}))


@pytest.mark.parametrize("missing", ["view_only", "consent", "kind"])
def test_rejects_an_order_that_lacks_a_condition(missing: str) -> None:
    members = ORDER.to_json()
    del members[missing]
    with pytest.raises(Refused, match="malformed"):
        parse_desktop(strict_json.canonical(members))


def test_plain_bytes_behind_a_message_stay_as_they_are() -> None:
    reader = LineReader()
    for message in reader.feed(write_line("opened") + b"RFB 003.008\n\x00"):
        assert message == {"type": "opened"}
        break
    assert reader.take_rest() == b"RFB 003.008\n\x00"
    assert reader.take_rest() == b""


def test_rejects_plain_bytes_as_a_message() -> None:
    with pytest.raises(BadLine):
        list(LineReader().feed(b"RFB 003.008\n"))
