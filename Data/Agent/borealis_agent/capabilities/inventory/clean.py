"""Makes any collected value fit to send: valid text, bounded numbers, a bounded document. Pure."""

import json
from typing import Any, Final

MAX_TEXT: Final = 1000
MAX_INTEGER: Final = 2**63 - 1
MAX_DOCUMENT_BYTES: Final = 3 * 1024 * 1024
"""Well below what the Engine takes (``borealis_wire.limits.MAX_REST_BODY_BYTES``)."""


def clean(value: Any) -> Any:
    """The same value with text that every JSON reader takes: no lone surrogates, no control characters, no giants.

    Names of files, disks and users come from whoever named them.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, float):
        return value if abs(value) < 1e300 else None  # also false for not-a-number
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-MAX_INTEGER, min(MAX_INTEGER, value))
    return value


def clean_text(text: str) -> str:
    """Valid, printable text of at most ``MAX_TEXT`` characters."""
    if len(text) <= MAX_TEXT and text.isascii() and text.isprintable():
        return text
    text = text[:MAX_TEXT]
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else " " for char in text).strip()


def encode(details: dict[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(details, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def fit(details: dict[str, Any], notes: list[str], limit: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """Shorten ``details`` until it may be sent, the least missed things first, and note what was left out."""
    for shorten, what in (
        (_without_metadata, "software metadata"),
        (_half_the_software, "part of the software"),
        (_summary_only, "all but the summary"),
    ):
        for _ in range(20):
            if len(encode(details)) <= limit:
                return details
            before = len(details.get("software") or ())
            details = shorten(details)
            if what not in notes[-1:]:
                notes.append(f"{what} was left out: the inventory is larger than {limit} bytes")
            if shorten is not _half_the_software or before <= 1:
                break
    return details


def _without_metadata(details: dict[str, Any]) -> dict[str, Any]:
    short = [
        {key: item[key] for key in ("name", "version", "source") if key in item}
        for item in details.get("software") or ()
    ]
    return details | {"software": short}


def _half_the_software(details: dict[str, Any]) -> dict[str, Any]:
    software = details.get("software") or []
    return details | {"software": software[: len(software) // 2]}


def _summary_only(details: dict[str, Any]) -> dict[str, Any]:
    return {"summary": details.get("summary", {})}


def count_facts(value: Any) -> int:
    """How many single values there are that say something."""
    if isinstance(value, dict):
        return sum(count_facts(item) for item in value.values())
    if isinstance(value, list):
        return sum(count_facts(item) for item in value)
    return int(value not in ("", None))
