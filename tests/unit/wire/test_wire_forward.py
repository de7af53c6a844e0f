"""The order to forward a connection: to bytes and back, and nothing else is taken."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire import strict_json
from borealis_wire.forward import ForwardOrder, is_host, parse_forward
from borealis_wire.refusal import Refused

ORDER = ForwardOrder("o", "s", "G", "olga", "127.0.0.1", 80, 1000.0, 1060.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fd00::1", "printer.lab.example", "old_box", "localhost"])
@pytest.mark.parametrize("port", [1, 65535])
def test_an_order_reads_back_as_it_was(host: str, port: int) -> None:
    order = replace(ORDER, host=host, port=port)
    assert parse_forward(order.to_payload()) == order
    assert (order.run_id, order.job_id) == ("o", "forward")


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"host": "a b"},
        {"host": "a\nb"},
        {"host": "[::1]"},
        {"host": "fe80::1%eth0"},
        {"host": "m\u00fcller.example"},
        {"host": "a/b"},
        {"host": "x" * 254},
        {"host": None},
        {"host": ["127.0.0.1"]},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": "80"},
        {"port": 80.0},
        {"session_id": ""},
        {"asked_by": 1},
        {"expires_at": 1061.0},
        {"expires_at": 1000.0},
        {"issued_at": None},
        {"surprise": 1},
    ],
)
def test_rejects_an_order_that_is_not_one(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_forward(strict_json.canonical({**ORDER.to_json(), **change}))


@pytest.mark.parametrize("missing", sorted(ORDER.to_json()))
def test_rejects_an_order_that_lacks_something(missing: str) -> None:
    members = ORDER.to_json()
    del members[missing]
    with pytest.raises(Refused, match="malformed"):
        parse_forward(strict_json.canonical(members))


@given(st.text(max_size=300))
def test_rejects_a_host_with_anything_that_a_resolver_or_a_log_could_trip_over(text: str) -> None:
    assert is_host(text) == (0 < len(text) <= 253 and all(c.isascii() and (c.isalnum() or c in "._:-") for c in text))
