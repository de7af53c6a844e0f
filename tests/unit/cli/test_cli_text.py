"""What people read is harmless to their terminal and says times as people do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_cli.text import TerminalFilter, ago, clean, parse_duration, plural, spell_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), (" 1H ", 3600), ("2d", 172_800), ("0", 0)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-5", "1.5h", "5 weeks", "1e9", "9" * 10])
def test_rejects_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (42.4, "42 s"),
        (300, "5 min"),
        (3599.7, "1 h"),
        (5400, "1 h 30 min"),
        (86_399, "1 d"),
        (93_600, "1 d 2 h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text


def test_moments_are_said_relative_to_now() -> None:
    assert ago(None, 100) == "never"
    assert ago(95, 100) == "just now"
    assert ago(40, 100) == "1 min ago"
    assert ago(7300, 100) == "in 2 h"
    assert (plural(1, "run"), plural(3, "run")) == ("1 run", "3 runs")


@pytest.mark.slow
@given(st.text())
def test_rejects_characters_that_drive_a_terminal_in_a_cell(text: str) -> None:
    assert clean(text).isprintable()


@pytest.mark.slow
@given(st.lists(st.text(alphabet="a\x1b[;m0123\n\x07\x9b\u202e", max_size=8)))
def test_rejects_all_but_colours_in_output_however_it_is_cut(pieces: list[str]) -> None:
    whole, cut = TerminalFilter(), TerminalFilter()
    at_once = whole.feed("".join(pieces)) + whole.end()
    in_pieces = "".join(cut.feed(piece) for piece in pieces) + cut.end()
    assert at_once == in_pieces
    left = re.sub(r"\x1b\[[0-9;]*m", "", at_once)
    assert all(char.isprintable() or char == "\n" for char in left)


def test_colours_pass() -> None:
    harmless = TerminalFilter()
    assert harmless.feed("a\x1b[1;3") + harmless.feed("1mb\x1b[0m") + harmless.end() == "a\x1b[1;31mb\x1b[0m"
