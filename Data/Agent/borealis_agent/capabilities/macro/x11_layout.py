"""Which keys type a character on an X11 keyboard, as its mapping says. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from borealis_agent.capabilities.macro.keysyms import LEVEL3, SHIFT

_COLUMNS: Final = {0: (0, 1, 4, 5), 1: (2, 3)}
"""The columns of a row by group: plain, with Shift, with AltGr, with both (X Keyboard Extension, 17.1.1)."""


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
        columns = _COLUMNS.get(self.group, ())
        for level in range(4):
            held = self._held(level)
            if held is None:
                continue
            for number, row in enumerate(self.rows):
                if _at(row, columns, level) == keysym:
                    return (*held, self.first + number)
        return None

    def spares(self, taken: Iterable[int] = ()) -> list[int]:
        """Keycodes without any keysym, the highest first: those are the furthest from any real key."""
        used = set(taken)
        free = [self.first + number for number, row in enumerate(self.rows) if not any(row)]
        return [code for code in reversed(free) if code not in used]

    def _held(self, level: int) -> tuple[int, ...] | None:
        wanted = [keysym for bit, keysym in ((1, SHIFT), (2, LEVEL3)) if level & bit]
        found = [self.key(keysym) for keysym in wanted]
        return None if None in found else tuple(code for code in found if code is not None)


def _at(row: Sequence[int], columns: Sequence[int], level: int) -> int:
    """A key that has nothing of its own in a second group has what the first one has, whatever group is in force."""
    second = row[2:4]
    if not any(second) or list(second) == list(row[:2]):
        columns = _COLUMNS[0]
    return row[columns[level]] if level < len(columns) and columns[level] < len(row) else 0


def neighbours(codes: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches without a gap, each by its first and last number."""
    found: list[tuple[int, int]] = []
    for code in sorted(codes):
        if found and code == found[-1][1] + 1:
            found[-1] = found[-1][0], code
        else:
            found.append((code, code))
    return found
