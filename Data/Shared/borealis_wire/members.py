"""Reads the members of an order that was opened: each of its type and within its bounds, or the order is malformed."""

import math
from collections.abc import Mapping, Set
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused

MAX_NAME: Final = 256
LAST_SECOND: Final = 1e12
"""Times in Unix seconds end here: the year 33658."""


def malformed(detail: str) -> Refused:
    """The refusal to raise; ``detail`` says what is wrong."""
    return Refused(RefusalCode.MALFORMED, detail)


def object_of(payload: bytes, *, max_bytes: int) -> dict[str, Any]:
    """The JSON object that a payload is.

    Raises:
        Refused: ``malformed``: it is larger, no strict JSON, or no object.
    """
    try:
        value = strict_json.loads(payload, max_bytes=max_bytes)
    except strict_json.JsonError as error:
        raise malformed(str(error)) from error
    if not isinstance(value, dict):
        raise malformed("an order is an object")
    return value


def order_of(
    payload: bytes, names: Set[str], *, what: str, seconds: float, max_bytes: int
) -> tuple[dict[str, Any], float, float]:
    """The members of an order that has just these, and its two times.

    Args:
        payload: as it was sealed.
        names: of all its members.
        what: the order is to do, for sentences: "to open a shell".
        seconds: how long it may hold.
        max_bytes: how large it may be.

    Raises:
        Refused: ``malformed``.
    """
    value = object_of(payload, max_bytes=max_bytes)
    if value.keys() != names:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise malformed(f"an order {what} has members that are not known, or lacks some")
    issued_at, expires_at = times_of(value)
    if expires_at > issued_at + seconds:
        raise malformed(f"an order {what} holds for {seconds:g} s at most")
    return value, issued_at, expires_at


def text_of(members: Mapping[str, Any], name: str, *, least: int = 1, most: int = MAX_NAME) -> str:
    """A text of so many characters. Raises ``Refused`` with ``malformed``, as all below."""
    value = members[name]
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise malformed(f"{name} is a text of {least} to {most} characters")
    return value


def whole_of(members: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A whole number within bounds; ``true`` is none."""
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise malformed(f"{name} is a whole number from {low} to {high}")
    return value


def number_of(members: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A finite number within bounds."""
    value = members[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise malformed(f"{name} is a number")
    if not low <= value <= high:
        raise malformed(f"{name} is a number from {low:g} to {high:g}")
    return value


def times_of(members: Mapping[str, Any]) -> tuple[float, float]:
    """``issued_at`` and ``expires_at``, in Unix seconds, one after the other."""
    issued_at, expires_at = (number_of(members, name, 0, LAST_SECOND) for name in ("issued_at", "expires_at"))
    if expires_at <= issued_at:
        raise malformed("the order expires before it was issued")
    return issued_at, expires_at
