"""Which keys type a character, on keyboards as X servers describe them; and which window a title means."""

import pytest

from borealis_agent.capabilities.macro.errors import CannotType
from borealis_agent.capabilities.macro.keysyms import keysym_of
from borealis_agent.capabilities.macro.windows import only
from borealis_agent.capabilities.macro.x11_layout import Layout, neighbours
from borealis_wire.key_names import KEYS

E, RUSSIAN_U = 0x65, 0x6C5
GERMAN = [
    (0xFFE1, 0, 0xFFE1, 0),  # 8: Shift
    (0xFE03, 0, 0, 0, 0, 0),  # 9: AltGr
    (E, 0x45, E, 0x45, 0x20AC, 0xA2),  # 10: e E, and € ¢ with AltGr
    (0, 0, 0, 0, 0, 0),  # 11: nothing
    (0xFF0D, 0, 0, 0, 0, 0),  # 12: Enter
    (0, 0, 0, 0, 0, 0),  # 13: nothing
]
SEVERAL = [*GERMAN[:2], (E, 0x45, RUSSIAN_U, 0x6E5, 0x20AC, 0xA2), *GERMAN[3:]]


@pytest.mark.parametrize(
    ("char", "codes"),
    [("e", (10,)), ("E", (8, 10)), ("€", (9, 10)), ("¢", (8, 9, 10)), ("\n", (12,)), ("ü", None)],
)
def test_a_character_is_typed_by_its_key_and_the_modifiers_before_it(char: str, codes: tuple[int, ...] | None) -> None:
    assert Layout(8, GERMAN).strokes(keysym_of(char)) == codes


def test_of_several_layouts_the_one_in_force_counts() -> None:
    first, second, third = (Layout(8, SEVERAL, group=group) for group in range(3))
    assert [layout.strokes(E) for layout in (first, second, third)] == [(10,), None, None]
    assert [layout.strokes(RUSSIAN_U) for layout in (first, second, third)] == [None, (10,), None]
    assert [layout.strokes(0x20AC) for layout in (first, second, third)] == [None] * 3, "nobody knows whose it is"
    assert [layout.strokes(0xFF0D) for layout in (first, second, third)] == [(12,)] * 3


def test_a_key_that_only_a_third_layout_changes_is_not_taken_for_the_first_ones() -> None:
    rows = [*SEVERAL, (0x6F, 0x4F, 0x6F, 0x4F, 0xF8, 0xD8, 0x6CF, 0x6EF)]  # 14: o O, o O, o O in Russian
    assert [Layout(8, rows, group=group).strokes(0x6F) for group in range(3)] == [(14,), (14,), None]


def test_a_spare_key_types_what_it_was_given_whatever_layout_is_in_force() -> None:
    for row in ((0xFC, 0xFC, 0, 0), (0xFC, 0xFC, 0xFC, 0xFC), (0xFC,) * 8):
        rows = [*SEVERAL, row]
        assert [Layout(8, rows, group=group).strokes(0xFC) for group in range(3)] == [(14,)] * 3


def test_a_keyboard_without_the_modifier_cannot_type_what_needs_it() -> None:
    assert Layout(10, GERMAN[2:]).strokes(0x45) is None


def test_spare_keys_are_those_without_any_character_the_highest_first() -> None:
    layout = Layout(8, GERMAN)
    assert layout.spares() == [13, 11]
    assert layout.spares([13]) == [11]


def test_neighbours_are_taken_together() -> None:
    assert neighbours([9, 3, 2, 8, 1, 5]) == [(1, 3), (5, 5), (8, 9)]
    assert neighbours([]) == []


def test_every_key_with_a_name_has_a_number_of_its_own() -> None:
    numbers = {name: keysym_of(name) for name in KEYS}
    assert len(set(numbers.values())) == len(KEYS)
    assert (numbers["f1"], numbers["f24"], keysym_of("Ж")) == (0xFFBE, 0xFFD5, 0x1000416)


WINDOWS = [{"id": 1, "title": "Report"}, {"id": 2, "title": "Report (copy)"}, {"id": 3, "title": "Mail"}]


def test_a_title_means_the_one_window_that_has_it() -> None:
    assert (only("mai", WINDOWS), only("COPY", WINDOWS), only("Report", WINDOWS)) == (3, 2, 1)


@pytest.mark.parametrize(
    ("title", "reason"), [("report", "2 windows have 'report'"), ("Chat", "no window with 'Chat'")]
)
def test_rejects_title_of_several_windows_or_of_none(title: str, reason: str) -> None:
    with pytest.raises(CannotType, match=reason):
        only(title, WINDOWS)
