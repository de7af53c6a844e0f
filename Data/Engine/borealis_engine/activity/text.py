"""Text and times from devices, made fit to be stored and shown; pure."""

import math


def storable(text: str) -> str:
    """Text that every database takes: no NUL (PostgreSQL), no lone surrogates (UTF-8)."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def plausible_time(seconds: float | None, *, earliest: float, latest: float) -> float | None:
    """A device's clock reading if it lies in the window, else None: a wrong clock must not order history."""
    if seconds is None or not math.isfinite(seconds) or not earliest <= seconds <= latest:
        return None
    return seconds
