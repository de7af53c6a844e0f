"""Requests before anything else sees them: paths that mean one thing, and bodies that are read strictly."""

import json
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.api.request_checks import MAX_PATH_BYTES, check_media_type, is_plain_path, parse_body
from borealis_engine.core.errors import EngineError, Invalid, TooLarge

_SEGMENT = st.text(min_size=1, max_size=12).map(lambda text: quote(text, safe=""))


@given(st.lists(_SEGMENT, min_size=1, max_size=5))
def test_a_plain_path_is_what_it_decodes_to_segment_by_segment(segments: list[str]) -> None:
    """Whatever passes: no segment is empty, moves up, or holds a separator or a control once it is decoded."""
    raw = "/" + "/".join(segments)
    if is_plain_path(raw.encode()):
        decoded = unquote(raw, errors="strict")
        assert decoded.count("/") == raw.count("/")
        assert not set(decoded.split("/")[1:]) & {"", ".", ".."}
        assert not any(ord(character) < 0x20 or character in "\\\x7f" for character in decoded)


@given(st.binary(max_size=60))
def test_survives_any_bytes_as_a_path(raw: bytes) -> None:
    assert is_plain_path(raw) in {True, False}


@given(
    st.lists(st.sampled_from(["api", "setup", "%2e", ".", "..", "", "%2f", "%5c", ";", "%00", "%", "x"]), max_size=6)
)
def test_rejects_every_mixture_of_tricks(parts: list[str]) -> None:
    raw = "/" + "/".join(parts)
    plain = is_plain_path(raw.encode())
    if set(parts) & {"%2e", ".", "..", "", "%2f", "%5c", ";", "%00", "%"} and raw != "/":
        assert not plain
    else:
        assert plain


@pytest.mark.parametrize(
    "raw",
    [b"/", b"/health", b"/api/devices/0F0F0F0F-1111-4222-8333-444444444444", b"/api/users/ada%40example.org",
     b"/api/device/details/host.example.org", b"/api/users/a..b", b"/x?y=%2f..//", b"/api/sites/K%C3%B8benhavn",
     b"/api/users/100%25"],
)  # fmt: skip
def test_ordinary_paths_pass(raw: bytes) -> None:
    assert is_plain_path(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", b"//", b"/a/", b"/a//b", b"/./a", b"/a/..", b"/%2E/a", b"/a%2Fb", b"/a%5Cb", b"/a\\b", b"/a;b", b"/a b",
     b"/a%3Bb", b"/%ff", b"/%c3%28", b"/a%0d%0a", b"/a%1F", b"/a%7f", b"/%zz", b"/a%", b"/a%2", b"/\xc3\xb8", b"/a\x00",
     b"/%2e%2e/a", b"/.%2e/a", b"/%c0%ae", b"/" + b"a" * MAX_PATH_BYTES, b"*", b"http://engine/api/setup"],
)  # fmt: skip
def test_rejects_paths_that_could_mean_two_things(raw: bytes) -> None:
    assert not is_plain_path(raw)


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What a handler declares."""

    name: str
    count: int = 0
    more: dict[str, Any] = {}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null x", b"{'name':'x'}", b'{"name":"x",}', b"\xff\xfe{}", b'{"name":"\xff"}', b"\xef\xbb\xbf{}",
     b'{"name":"x","name":"y"}', b'{"more":{"a":1,"a":2},"name":"x"}', b'{"name":"x","count":NaN}',
     b'{"name":"x","count":Infinity}', b'{"name":"x","more":{"a":1e999}}', b'{"name":"x","count":99999999999999999999}',
     b'{"name":"\\ud800"}', b'{"\\ud800":1,"name":"x"}', b'{"name":"x\n"}', b'{"name":"x"}{"name":"y"}', b"[" * 100_000,
     b'{"more":' * 40 + b"{}" + b"}" * 40, b'{"name":"x","count":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_rejects_what_is_not_json_as_accepted_here(body: bytes) -> None:
    with pytest.raises(Invalid, match="invalid_json"):
        parse_body(body, Wanted, max_bytes=10**6)


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b'"x"', b"{}", b'{"name":1}', b'{"name":null}', b'{"name":"x","count":"1"}', b'{"count":1}',
     b'{"name":"x","count":1.5}', b'{"name":"x","count":true}', b'{"name":"x","extra":1}', b'{"Name":"x"}'],
)  # fmt: skip
def test_rejects_json_of_another_form(body: bytes) -> None:
    with pytest.raises(Invalid, match="invalid_request"):
        parse_body(body, Wanted, max_bytes=10**6)


def test_rejects_larger_bodies_before_reading_them() -> None:
    with pytest.raises(TooLarge, match="too_large"):
        parse_body(b'{"name":"x"}' + b" " * 100, Wanted, max_bytes=50)


@given(st.binary(max_size=200))
def test_survives_any_bytes_as_a_body(body: bytes) -> None:
    try:
        value = parse_body(body, Wanted, max_bytes=100)
    except EngineError as error:
        assert error.status in {400, 413}
    else:
        assert isinstance(value, Wanted)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["name", "count", "more", "x"]), _json))
def test_survives_any_json_as_a_body(value: dict[str, Any]) -> None:
    try:
        parsed = parse_body(json.dumps(value).encode(), Wanted, max_bytes=10**5)
    except EngineError as error:
        assert error.status == 400
        assert error.detail.isascii(), "what was sent is not thrown back as it was"
    else:
        assert parsed.name == value["name"]


@pytest.mark.parametrize(
    ("content_type", "encoding", "read"),
    [
        ("application/json", None, True),
        ("Application/JSON; charset=UTF-8", "identity", True),
        ('application/json; charset="utf-8"', None, True),
        (None, None, False),
        ("", None, False),
        ("text/plain", None, False),
        ("application/x-www-form-urlencoded", None, False),
        ("multipart/form-data; boundary=x", None, False),
        ("application/json; charset=utf-16", None, False),
        ("application/json, text/plain", None, False),
        ("application/jsonp", None, False),
        ("application/json", "gzip", False),
        ("application/json", "br", False),
    ],
)
def test_only_plain_json_is_read(content_type: str | None, encoding: str | None, read: bool) -> None:
    assert check_media_type(content_type, encoding) is read
