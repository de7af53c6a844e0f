"""Names of keys, as operators write them: ``a``, ``Enter``, ``F5``, ``Ctrl+Shift+Tab``. Pure; no system's numbers."""

from dataclasses import dataclass
from typing import Final

MAX_KEY: Final = 64
MODIFIERS: Final = ("ctrl", "alt", "shift", "super")
_NAMED: Final = (
    "enter", "tab", "escape", "space", "backspace", "delete", "insert", "home", "end", "page_up", "page_down",
    "left", "right", "up", "down", "caps_lock", "num_lock", "scroll_lock", "print_screen", "pause", "menu",
)  # fmt: skip
FUNCTION_KEYS: Final = tuple(f"f{number}" for number in range(1, 25))
KEYS: Final[frozenset[str]] = frozenset(_NAMED) | frozenset(FUNCTION_KEYS) | frozenset(MODIFIERS)
"""Keys that have a name here; any other key is the one character that it types."""
_ALIASES: Final = {
    "return": "enter",
    "esc": "escape",
    "spacebar": "space",
    "back": "backspace",
    "del": "delete",
    "ins": "insert",
    "pageup": "page_up",
    "pgup": "page_up",
    "prior": "page_up",
    "pagedown": "page_down",
    "pgdn": "page_down",
    "next": "page_down",
    "capslock": "caps_lock",
    "numlock": "num_lock",
    "scrolllock": "scroll_lock",
    "printscreen": "print_screen",
    "prtsc": "print_screen",
    "apps": "menu",
    "control": "ctrl",
    "win": "super",
    "windows": "super",
    "meta": "super",
    "option": "alt",
    "plus": "+",
}


@dataclass(frozen=True, slots=True)
class Chord:
    """A key, and the modifiers that are held while it is pressed. ``key``: of ``KEYS``, or one character."""

    key: str
    modifiers: tuple[str, ...] = ()


def parse_chord(text: str) -> Chord:
    """Read a key's name; capitals do not matter but in a single character.

    Raises:
        ValueError: with a sentence: it names no key.
    """
    if len(text) > MAX_KEY:
        raise ValueError(f"a key's name has at most {MAX_KEY} characters")
    *held, last = _parts(text)
    key = _key(last)
    modifiers = []
    for part in held:
        modifier = _ALIASES.get(part.lower(), part.lower())
        if modifier not in MODIFIERS or modifier in modifiers or modifier == key:
            raise ValueError(f"before + stand {', '.join(MODIFIERS)}, each once; not {part!r}")
        modifiers.append(modifier)
    if modifiers and len(key) == len(key.lower()) == 1:
        key = key.lower()  # Ctrl+A is written so, and Shift is named where it is meant
    return Chord(key, tuple(sorted(modifiers, key=MODIFIERS.index)))


def typable(text: str) -> bool:
    """Whether a keyboard can type this: printable characters, Tab and line feeds."""
    return all(char in "\t\n" or is_printable(char) for char in text)


def is_printable(char: str) -> bool:
    """No control, surrogate or private character, nor one that stands for nothing."""
    return char.isprintable() and not 0xE000 <= ord(char) <= 0xF8FF


def _parts(text: str) -> list[str]:
    """``+`` parts, and is a key itself: ``+``, ``Ctrl++``."""
    if text == "+":
        return ["+"]
    if text.endswith("++"):
        return [*(part.strip() for part in text[:-2].split("+")), "+"]
    return [part.strip() if part.strip() else part for part in text.split("+")]


def _key(text: str) -> str:
    if len(text) == 1 and text != " " and is_printable(text):
        return text
    if text == " ":
        return "space"
    name = "_".join(text.lower().replace("_", " ").split())
    name = _ALIASES.get(name, name)
    if name in KEYS or name == "+":
        return name
    raise ValueError(f"there is no key {text!r}; a key is one character or one of {', '.join(sorted(KEYS))}")
