"""Which keys type a character on an X11 keyboard, as its mapping says. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from borealis_agent.capabilities.macro.keysyms import LEVEL3, SHIFT

_ONE_LAYOUT: Final = (0, 1, 4, 5)
"""The columns of a row where there is one layout: plain, with Shift, with AltGr, with both."""
_OF_SEVERAL: Final = {0: (0, 1), 1: (2, 3)}
"""Where there are several, by the one in force. What follows is theirs in an order that depends on each key (X Keyboard
Extension, 17.1.1), and is left alone: spare keys type it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``rows``: the keysyms of each keycode, from ``first`` on; 0 is none.

    ``group``: which of several layouts is in force, from 0.
    """

    first: int
    rows: Sequence[Sequence[int]]
    group: int = 0

    def key(self, keysym: int) -> int | None:
        """The keycode of a key that is named in any column, such as a modifier."""
        return next((self.first + number for number, row in enumerate(self.rows) if keysym in row), None)

    def strokes(self, keysym: int) -> tuple[int, ...] | None:
        """The keycodes to press, modifiers first; None where this layout cannot type it."""
        several = any(_second(row) for row in self.rows)
        for level in range(4):
            held = self._held(level)
            if held is None:
                continue
            for number, row in enumerate(self.rows):
                columns = self._columns(row, several)
                if level < len(columns) and columns[level] < len(row) and row[columns[level]] == keysym:
                    return (*held, self.first + number)
        return None

    def spares(self, taken: Iterable[int] = ()) -> list[int]:
        """Keycodes without any keysym, the highest first: those are the furthest from any real key."""
        used = set(taken)
        free = [self.first + number for number, row in enumerate(self.rows) if not any(row)]
        return [code for code in reversed(free) if code not in used]

    def _columns(self, row: Sequence[int], several: bool) -> Sequence[int]:
        if not several:
            return _ONE_LAYOUT
        if not _second(row) and set(row[4:]) <= {0, *row[:2]}:
            return _OF_SEVERAL[0]  # such as Enter, which is the same in all of them
        return _OF_SEVERAL.get(self.group, ())

    def _held(self, level: int) -> tuple[int, ...] | None:
        wanted = [keysym for bit, keysym in ((1, SHIFT), (2, LEVEL3)) if level & bit]
        found = [self.key(keysym) for keysym in wanted]
        return None if None in found else tuple(code for code in found if code is not None)


def _second(row: Sequence[int]) -> bool:
    """Whether a key has something of its own in a second layout; where there is one only, it is told twice."""
    return any(row[2:4]) and list(row[2:4]) != list(row[:2])


def neighbours(codes: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches without a gap, each by its first and last number."""
    found: list[tuple[int, int]] = []
    for code in sorted(codes):
        if found and code == found[-1][1] + 1:
            found[-1] = found[-1][0], code
        else:
            found.append((code, code))
    return found
