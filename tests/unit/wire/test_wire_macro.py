"""Orders about macros: what they say, what comes of a change, and everything that is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire import strict_json
from borealis_wire.key_names import KEYS, MODIFIERS, Chord, parse_chord, typable
from borealis_wire.macro import (
    MacroChange,
    MacroSettings,
    MacroStart,
    MacroType,
    OperationMode,
    changed,
    parse_changes,
    parse_macro,
    parse_settings,
)
from borealis_wire.refusal import Refused

KEY = {"macro_type": "keypress", "key": "F5"}
TEXT = {"macro_type": "text", "text": "Grüße\n"}


def settings(**members: Any) -> MacroSettings:
    return parse_settings({**KEY, **members})


def test_what_is_absent_has_upstreams_default() -> None:
    found = parse_settings(TEXT)
    assert found.to_json() == {
        "macro_type": "text",
        "operation_mode": "Run Once",
        "window_handle": 0,
        "window_title": "",
        "key": "",
        "text": "Grüße\n",
        "interval_ms": 1000,
        "randomize_interval": False,
        "random_min": 750,
        "random_max": 950,
        "active": True,
        "trigger": 0,
    }


def test_an_order_reads_back_as_it_was_written() -> None:
    start = MacroStart(settings(operation_mode="Trigger-Once", window_title="Notes", trigger=1))
    assert parse_macro(start.to_script()) == start
    change = MacroChange("r1", {"interval_ms": 50, "operation_mode": "Continuous", "active": False})
    assert parse_macro(change.to_script()) == change


def test_a_change_takes_the_place_of_what_it_names() -> None:
    before = settings(window_handle=7)
    after = changed(before, {"interval_ms": 60, "macro_type": "text", "text": "x"})
    assert (after.interval_ms, after.macro_type, after.key, after.window_handle) == (60, MacroType.TEXT, "F5", 7)
    titled = changed(after, {"window_title": "Mail"})
    assert (titled.window_handle, titled.window_title) == (0, "Mail")
    numbered = changed(titled, {"window_handle": 9})
    assert (numbered.window_handle, numbered.window_title) == (9, "")
    assert changed(numbered, {"operation_mode": "Continuous"}).operation_mode is OperationMode.CONTINUOUS


@pytest.mark.parametrize(
    "wrong",
    [
        {"macro_type": "mouse"}, {"macro_type": ["keypress"]}, {"operation_mode": "Sometimes"}, {"key": ""},
        {"key": "Nonsense"}, {"key": "a" * 65}, {"key": 5}, {"macro_type": "text"}, {"text": "x" * 4097},
        {"text": "bell\a"}, {"text": "cr\r"}, {"text": "\ue000"}, {"interval_ms": 49}, {"interval_ms": 86_400_001},
        {"interval_ms": 100.0}, {"interval_ms": True}, {"random_min": 951}, {"random_min": 10}, {"trigger": 2},
        {"trigger": True}, {"active": 1}, {"randomize_interval": None}, {"window_handle": -1},
        {"window_handle": 2**53}, {"window_handle": 1, "window_title": "x"}, {"window_title": "x\n"},
        {"window_title": "x" * 201}, {"node_id": "n1"}, {"": 1},
    ],
)  # fmt: skip
def test_rejects_settings_that_are_no_macro(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        settings(**wrong)


@pytest.mark.parametrize(
    "changes",
    [{"key": ""}, {"random_max": 60}, {"macro_type": "text"}, {"window_handle": 1, "window_title": "x"}, {"run": 1}],
)
def test_rejects_changes_that_leave_no_macro(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="malformed"):
        changed(settings(), changes)


@pytest.mark.parametrize("value", [{}, [], None, {"unknown": 1}, {"trigger": "1"}])
def test_rejects_changes_that_change_nothing_or_something_else(value: Any) -> None:
    with pytest.raises(Refused, match="malformed"):
        parse_changes(value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from([*MacroSettings.__slots__, "action", "settings", "changes", "run_id"])
NEARLY = st.fixed_dictionaries(
    {"action": st.sampled_from(["start", "change", "stop"])},
    optional={
        "settings": st.dictionaries(NAMES, ANYTHING, max_size=6) | ANYTHING,
        "changes": st.dictionaries(NAMES, ANYTHING, max_size=6) | ANYTHING,
        "run_id": ANYTHING,
    },
)


@given(st.binary(max_size=200) | (ANYTHING | NEARLY).map(lambda value: json.dumps(value).encode()))
def test_rejects_malformed_orders_and_nothing_else_happens(script: bytes) -> None:
    try:
        order = parse_macro(script)
    except Refused as refused:
        assert refused.code == "malformed"
    else:
        assert parse_macro(order.to_script()) == order


@given(
    st.fixed_dictionaries(
        {"macro_type": st.sampled_from(["keypress"]), "key": st.sampled_from(sorted(KEYS))},
        optional={
            "interval_ms": st.integers(50, 10**6),
            "trigger": st.sampled_from([0, 1]),
            "active": st.booleans(),
            "operation_mode": st.sampled_from(list(OperationMode)),
            "text": st.text().filter(typable).filter(lambda text: len(text) <= 4096),
            "window_handle": st.integers(0, 2**53 - 1),
        },
    )
)
def test_what_is_well_formed_is_taken_and_kept(value: dict[str, Any]) -> None:
    found = parse_settings(value)
    assert {name: found.to_json()[name] for name in value} == value
    assert strict_json.loads(MacroStart(found).to_script(), max_bytes=10**6)["settings"] == found.to_json()


@pytest.mark.parametrize(
    ("text", "chord"),
    [
        ("a", Chord("a")), ("A", Chord("A")), ("ü", Chord("ü")), ("+", Chord("+")), (" ", Chord("space")),
        ("enter", Chord("enter")), ("Return", Chord("enter")), ("Page Up", Chord("page_up")),
        ("PgDn", Chord("page_down")), ("Ctrl+İ", Chord("İ", ("ctrl",))), ("f24", Chord("f24")),
        ("Ctrl+A", Chord("a", ("ctrl",))), ("Ctrl++", Chord("+", ("ctrl",))),
        ("shift+CTRL+Tab", Chord("tab", ("ctrl", "shift"))), ("Win + l", Chord("l", ("super",))),
        ("Ctrl+Plus", Chord("+", ("ctrl",))), ("Shift", Chord("shift")),
    ],
)  # fmt: skip
def test_keys_are_named_as_people_name_them(text: str, chord: Chord) -> None:
    assert parse_chord(text) == chord


@pytest.mark.parametrize("text", ["", "F25", "ab", "Ctrl+", "Ctrl+Ctrl+a", "a+b", "Ctrl+Nope", "\n", "+a", "Ctrl+ctrl"])
def test_rejects_names_of_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|stand"):
        parse_chord(text)


@given(st.text(max_size=70))
def test_a_keys_name_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        chord = parse_chord(text)
    except ValueError as error:
        assert str(error)
    else:
        assert chord.key in KEYS or len(chord.key) == 1
        assert set(chord.modifiers) <= set(MODIFIERS)
