"""Whatever is collected can be sent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.inventory.clean import MAX_TEXT, clean, clean_text, count_facts, encode, fit
from borealis_wire import strict_json

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc", "Co"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(ANYTHING)
def test_anything_collected_becomes_json_that_the_engine_takes(value: Any) -> None:
    cleaned = clean({"x": value})
    assert strict_json.loads(encode(cleaned), max_bytes=1 << 20, max_depth=64) == cleaned


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc"])))
def test_text_is_printable_and_bounded(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned) <= MAX_TEXT
    assert cleaned.isprintable()
    assert clean_text(cleaned) == cleaned


def test_file_names_of_strange_bytes_are_text() -> None:
    assert clean_text(b"a\xffb".decode("utf-8", "surrogateescape")) == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2**80, 2**63 - 1), (-(2**80), -(2**63) + 1), (float("nan"), None), (float("inf"), None), (True, True)],
)
def test_numbers_are_bounded(value: Any, expected: Any) -> None:
    assert clean(value) == expected


def test_too_large_an_inventory_loses_the_least_missed_first() -> None:
    software = [
        {"name": f"p{n}", "version": "1", "source": "dpkg", "metadata": {"description": "x" * 100}} for n in range(1000)
    ]
    details = {"summary": {"hostname": "h"}, "software": software, "users": {"names": ["y" * 100] * 50}}
    notes: list[str] = []
    whole = len(encode(details))
    assert fit(details, notes, whole) == details
    assert notes == []
    short = fit(details, notes, whole // 2)
    assert len(short["software"]) == 1000
    assert "metadata" not in short["software"][0]
    shorter = fit(details, notes, 20_000)
    assert 0 < len(shorter["software"]) < 1000
    assert shorter["users"] == details["users"]
    assert fit(details, notes, 4000) == {"summary": {"hostname": "h"}}
    assert all("was left out" in note for note in notes)


def test_facts_are_values_that_say_something() -> None:
    assert count_facts({"a": "", "b": None, "c": [], "d": 0, "e": [{"f": "x"}, "y"], "g": False}) == 4
    assert json.loads(encode({"ü": 1})) == {"ü": 1}
