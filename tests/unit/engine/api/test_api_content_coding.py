"""Content codings: whose wish counts, and which answers are compressed at all."""

import gzip
import json

import pytest
from tests.fakes.engine_rest import Caller, Rest

from borealis_engine.api.app import all_handlers
from borealis_engine.api.content_coding import SHORT, choose_coding, compress
from borealis_engine.operators.permissions import OperatorRole

_MAY_BE_COMPRESSED = {"/api/devices", "/api/devices/{guid}", "/api/agents"}
"""Looked at one by one: no secret is in the answer (BREACH)."""


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("", None),
        ("br", "br"),
        ("gzip, br", "br"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("gzip ; q = 0.5 , br;q=0.2", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=many", None),
        ("gzip;q=-1, br;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;level=3", "gzip"),
        (",,;q=1,", None),
        ("deflate, zstd", None),
    ],
)
def test_the_callers_wish_counts(said: str, chosen: str | None) -> None:
    assert choose_coding(said, ("br", "gzip")) == chosen


def test_nothing_is_chosen_where_nothing_is_offered() -> None:
    assert choose_coding("gzip, br, *", ()) is None


def test_compressed_is_what_it_was() -> None:
    content = b"a device and " * 1000
    packed = compress(content)
    assert len(packed) < len(content) / 10
    assert gzip.decompress(packed) == content


def test_rejects_compressing_what_nobody_looked_at() -> None:
    named: set[str] = set()
    for handler in all_handlers():
        if handler.opt.get("long_answer"):
            named |= {path.replace(":str", "") for path in handler.paths}
    assert named == _MAY_BE_COMPRESSED


async def with_devices(rest: Rest, count: int) -> Caller:
    """An operator who sees that many devices."""
    for number in range(count):
        await rest.add_device(f"pc-{number}")
    return rest.owner()


async def test_a_long_list_goes_out_compressed_to_who_accepts_that(rest: Rest) -> None:
    owner = await with_devices(rest, 12)
    plain = await owner.get("/api/devices")
    packed = await owner.get("/api/devices", headers={"Accept-Encoding": "gzip, br"})
    assert (plain.header("content-encoding"), packed.header("content-encoding")) == (None, "gzip")
    assert packed.header("content-length") == str(len(packed.body))
    assert len(packed.body) < len(plain.body) / 2
    assert json.loads(gzip.decompress(packed.body)) == plain.json()
    for answer in (plain, packed):
        assert answer.header("vary") == "Accept-Encoding"
        assert answer.header("cache-control") == "no-store"
        assert answer.header("content-type") == "application/json"


async def test_a_short_list_and_an_error_go_out_as_they_are(rest: Rest) -> None:
    owner = await with_devices(rest, 1)
    short = await owner.get("/api/devices", headers={"Accept-Encoding": "gzip"})
    assert len(short.body) < SHORT
    assert (short.status, short.header("content-encoding")) == (200, None)
    unknown = await owner.get("/api/devices/none", headers={"Accept-Encoding": "gzip"})
    assert (unknown.status, unknown.header("content-encoding"), unknown.code) == (404, None, "device_not_found")


async def test_rejects_compressing_an_answer_with_the_value_against_cross_site_requests(rest: Rest) -> None:
    ada = await rest.person("ada", OperatorRole.ADMIN)
    answer = await ada.get("/api/auth/me", headers={"Accept-Encoding": "gzip, br"})
    assert "csrf" in answer.json()
    assert answer.header("content-encoding") is None
