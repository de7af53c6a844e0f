"""Which window a title means. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from borealis_agent.capabilities.macro.errors import CannotType


def only(title: str, windows: Sequence[Mapping[str, Any]]) -> int:
    """The number of the one window that has this in its title, or has exactly this title.

    Raises:
        CannotType: there is none, or there are several.
    """
    found = [one for one in windows if title.casefold() in str(one["title"]).casefold()]
    exactly = [one for one in found if one["title"] == title]
    if len(found) != 1 and len(exactly) == 1:
        found = exactly
    if not found:
        raise CannotType(f"There is no window with {title!r} in its title.")
    if len(found) > 1:
        raise CannotType(f"{len(found)} windows have {title!r} in their titles; name one.")
    return int(found[0]["id"])
