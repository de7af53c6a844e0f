"""Hostnames: how they are compared, cleaned, checked and kept apart. Pure.

A hostname never looks like a GUID unless it is the device's own: operators name devices by either.
"""

import re
from collections.abc import Callable
from typing import Final

from borealis_engine.core.errors import Invalid
from borealis_wire.limits import HOSTNAME_MAX

MAX_SUFFIX: Final = 50
MAX_TEXT: Final = 256
_GUID: Final = re.compile(r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?", re.IGNORECASE)
_IN_THE_WAY: Final = frozenset("/\\;%?#")
"""Characters that no address of the REST API can carry."""


def hostname_key(hostname: str) -> str:
    """The form in which hostnames are compared."""
    return hostname.casefold()


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """What a device said, in one line without control characters, cut to ``limit``."""
    if text.isascii() and text.isprintable() and len(text) <= limit:  # the usual case, a hundred times cheaper
        return text.strip()
    kept = "".join(char if char.isprintable() else " " for char in text[: limit * 4])
    return " ".join(kept.split())[:limit]


def clean_hostname(text: str) -> str:
    """A hostname as a device claims it, made usable; empty where nothing is left."""
    cleaned = clean_text(text, HOSTNAME_MAX)
    return "".join("-" if char in _IN_THE_WAY else char for char in cleaned).strip()[:HOSTNAME_MAX]


def check_hostname(text: str) -> str:
    """A hostname as an operator gives it.

    Raises:
        Invalid: ``invalid_hostname``.
    """
    name = text.strip()
    if not name or name != clean_hostname(name) or looks_like_guid(name):
        raise Invalid(
            "invalid_hostname",
            f"A hostname has 1 to {HOSTNAME_MAX} printable characters, none of / \\ ; % ? #, and is no GUID.",
        )
    return name


def looks_like_guid(text: str) -> bool:
    """Whether ``text`` could be meant as a GUID."""
    return _GUID.fullmatch(text) is not None


def normalise_guid(text: str) -> str:
    """A GUID as we write it: upper-case, without braces."""
    return text.strip().strip("{}").upper()


def guid_in(name: str) -> str:
    """The GUID in a name of a device, such as upstream's agent id; the name itself where there is none."""
    found = _GUID.search(name)
    return found[0] if found else name


def free_hostname(claimed: str, guid: str, taken: Callable[[str], bool]) -> str:
    """A name that no other device has (upstream-contract 1.3).

    Args:
        claimed: what the device calls itself.
        guid: the device's own; its last resort for a name.
        taken: whether another device has a name.
    """
    base = clean_hostname(claimed)
    if base and not looks_like_guid(base):
        for suffix in ("", *(f"-{number}" for number in range(1, MAX_SUFFIX + 1))):
            name = base[: HOSTNAME_MAX - len(suffix)] + suffix
            if not taken(name):
                return name
    return guid
