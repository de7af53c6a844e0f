"""JSON that two parsers read the same, or not at all."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from borealis_wire.strict_json import JsonError, canonical, depth_exceeds, loads

TEXT = st.text(st.characters(codec="utf-8"))
WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=25,
)


def read(data: bytes, **limits: int) -> Any:
    return loads(data, max_bytes=limits.pop("max_bytes", 1 << 20), **limits)


@pytest.mark.slow
@given(VALUES)
def test_what_was_written_reads_back_the_same(value: Any) -> None:
    data = canonical(value)
    assert read(data, max_depth=64) == value
    assert canonical(read(data, max_depth=64)) == data


@pytest.mark.slow
@given(st.dictionaries(TEXT, WHOLE, max_size=8), st.randoms())
def test_the_order_of_names_leaves_no_trace(value: dict[str, int], rng: Any) -> None:
    items = list(value.items())
    rng.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


@pytest.mark.slow
@given(st.binary(max_size=300) | TEXT.map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b"1e400")
@example(b"-0.0")
@example(b"9" * 5000)
@example(b"1" + b"0" * 400)
def test_any_bytes_are_a_value_or_one_error(data: bytes) -> None:
    try:
        value = read(data)
    except JsonError:
        return
    assert canonical(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"x":1,"x":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[1e999]",
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"\xff",
        b'"\xc0\x80"',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{'a':1}",
        b"[1,]",
        b"01",
        b"",
        b"\x00",
        b'"\n"',
        b"9223372036854775808",
        b"-9223372036854775809",
    ],
)
def test_rejects_json_that_could_be_read_in_two_ways(data: bytes) -> None:
    with pytest.raises(JsonError):
        read(data)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 33 + b"]" * 33])
def test_rejects_deep_nesting_without_harm(data: bytes) -> None:
    with pytest.raises(JsonError):
        read(data)


def test_rejects_a_document_over_the_limit_before_it_is_read() -> None:
    assert read(b"[1]", max_bytes=3) == [1]
    with pytest.raises(JsonError, match="exceeds 2"):
        read(b"[1]", max_bytes=2)


@pytest.mark.slow
@given(VALUES, st.integers(1, 8))
def test_depth_is_counted_as_a_recursion_would(value: Any, limit: int) -> None:
    def depth(item: Any) -> int:
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    assert depth_exceeds(value, limit) is (depth(value) > limit)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: "a", "b": 2}, {"a": {1, 2}}, b"bytes", "\ud800", object()])
def test_rejects_what_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(JsonError):
        canonical(value)


def test_rejects_a_value_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(JsonError):
        canonical(loop)


def test_the_canonical_form_is_the_documented_one() -> None:
    assert canonical({"b": [1, 2.5, None, True], "a": "grüße\n\u2028"}) == (
        b'{"a":"gr\xc3\xbc\xc3\x9fe\\n\xe2\x80\xa8","b":[1,2.5,null,true]}'
    )
