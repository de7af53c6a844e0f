"""Text for people: times, durations, and texts of strangers made harmless for a terminal. Pure."""

import re
from datetime import UTC, datetime
from typing import Any, Final

_DURATION: Final = re.compile(r"(\d{1,9})\s*([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,32}m")
_UNFINISHED: Final = re.compile(r"\x1b(\[[0-9;]{0,32})?\Z")
_ALLOWED: Final = frozenset("\n\t\r")


def clean(value: Any) -> str:
    """A value in one harmless line: what devices and people wrote must not drive the terminal."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


class TerminalFilter:
    """Lets line breaks, tabs and colours of a script's output through to a terminal, nothing else that drives it."""

    def __init__(self) -> None:
        self._tail = ""

    def feed(self, text: str) -> str:
        """The harmless form of the next piece; a colour that is cut in two is kept for the next call."""
        text = self._tail + text
        unfinished = _UNFINISHED.search(text)
        self._tail = unfinished.group() if unfinished else ""
        text = text[: len(text) - len(self._tail)]
        parts, position = [], 0
        for colour in _COLOUR.finditer(text):
            parts += [_harmless(text[position : colour.start()]), colour.group()]
            position = colour.end()
        return "".join([*parts, _harmless(text[position:])])

    def end(self) -> str:
        """What was kept."""
        tail, self._tail = self._tail, ""
        return _harmless(tail)


def _harmless(text: str) -> str:
    return "".join(char if char.isprintable() or char in _ALLOWED else "\N{REPLACEMENT CHARACTER}" for char in text)


def parse_duration(text: str) -> int:
    """``90``, ``90s``, ``5m``, ``1h`` or ``2d`` in seconds.

    Raises:
        ValueError: something else.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{clean(text)!r} is no duration; write for example 90s, 5m, 1h or 2d")
    return int(found.group(1)) * _UNITS[found.group(2)]


def spell_duration(seconds: float) -> str:
    """A duration in its two largest units: ``3 d 4 h``, ``5 min``, ``0.8 s``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds) if seconds < 60 else round(seconds / 60) * 60  # a day less a second is a day to people
    for size, unit, smaller, sub in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {sub}" if rest else "")
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"


def ago(then: float | None, now: float) -> str:
    """How long ago something was, in words."""
    if not then:
        return "never"
    seconds = now - then
    if seconds < -60:
        return f"in {spell_duration(-seconds)}"
    return "just now" if seconds < 10 else f"{spell_duration(seconds)} ago"


def moment(then: float | None) -> str:
    """A point in time in local time, to the second; empty for none."""
    if not then:
        return ""
    return datetime.fromtimestamp(then, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, word: str) -> str:
    """``1 device``, ``3 devices``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
