"""X11's numbers of keys (keysyms, X Window System Protocol, appendix A). Pure."""

from typing import Final

_NAMED: Final = {
    "enter": 0xFF0D,
    "tab": 0xFF09,
    "escape": 0xFF1B,
    "space": 0x20,
    "backspace": 0xFF08,
    "delete": 0xFFFF,
    "insert": 0xFF63,
    "home": 0xFF50,
    "end": 0xFF57,
    "page_up": 0xFF55,
    "page_down": 0xFF56,
    "left": 0xFF51,
    "up": 0xFF52,
    "right": 0xFF53,
    "down": 0xFF54,
    "caps_lock": 0xFFE5,
    "num_lock": 0xFF7F,
    "scroll_lock": 0xFF14,
    "print_screen": 0xFF61,
    "pause": 0xFF13,
    "menu": 0xFF67,
    "ctrl": 0xFFE3,
    "alt": 0xFFE9,
    "shift": 0xFFE1,
    "super": 0xFFEB,
    **{f"f{number}": 0xFFBE + number - 1 for number in range(1, 25)},
    "\n": 0xFF0D,
    "\t": 0xFF09,
}
CAPS_LOCK: Final = _NAMED["caps_lock"]
SHIFT: Final = _NAMED["shift"]
LOCKS: Final = (0xFF7F, 0xFF14)
"""Num Lock and Scroll Lock: modifiers that change nothing of what is typed here."""
LEVEL3: Final = 0xFE03
_UNICODE: Final = 0x01000000


def keysym_of(key: str) -> int:
    """The keysym of a key of ``key_names``, or of a character."""
    if key in _NAMED:
        return _NAMED[key]
    point = ord(key)
    # Latin-1 has its own numbers; the euro sign is the one other that common layouts have under an old one.
    if 0x20 <= point <= 0x7E or 0xA0 <= point <= 0xFF or point == 0x20AC:
        return point
    return _UNICODE + point
