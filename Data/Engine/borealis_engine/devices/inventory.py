"""Inventory as devices send it: cleaned, bounded, and merged into what is known. Pure.

Merge rule of upstream-contract 3.2: what is not empty wins, what is empty keeps the stored value, nested objects
are merged, lists are replaced.
"""

import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from borealis_engine.core.errors import Invalid, TooLarge
from borealis_engine.devices.names import MAX_TEXT, clean_text
from borealis_wire.limits import MAX_REST_BODY_BYTES, MIB

EMPTY: Final[dict[str, Any]] = {
    "summary": {},
    "cpu": {},
    "memory": [],
    "storage": [],
    "network": [],
    "software": [],
}
"""The sections that every device has, as they are before it sent any."""
MAX_SECTIONS: Final = 32
MAX_SECTION_BYTES: Final = 2 * MIB
MAX_SOFTWARE: Final = 20_000
MAX_ITEMS: Final = 2_000
MAX_MEMBERS: Final = 256
MAX_DEPTH: Final = 8
MAX_STRING: Final = 4096
_SOURCES: Final = {
    "local": "local_installed",
    "installed": "local_installed",
    "registry": "local_installed",
    "uninstall_registry": "local_installed",
    "appx": "windows_store",
    "ms_store": "windows_store",
    "store": "windows_store",
}
_SHORT: Final[dict[str, tuple[str, ...]]] = {
    "agent_build_id": ("agent_build_id", "installed_build_id", "agent_hash"),
    "connection_type": ("connection_type", "remote_type"),
    "connection_endpoint": ("connection_endpoint", "connection_address", "address"),
    "device_type": ("device_type", "type"),
    "domain": ("domain",),
    "external_ip": ("external_ip", "public_ip"),
    "internal_ip": ("internal_ip", "private_ip"),
    "last_reboot": ("last_reboot", "last_boot"),
    "last_user": ("last_user", "last_user_name", "username"),
    "operating_system": ("operating_system", "agent_operating_system", "os"),
}
"""Field of the record, and the summary keys it is read from, first come first served (upstream-contract 3.2)."""
_ENGINES_OWN: Final = frozenset({"description", "created", "created_at", "ssl_key_fingerprint", "last_seen"})
"""Summary keys that upstream's agents send and that are not theirs to say."""
MAX_UPTIME: Final = 100 * 365 * 86400


@dataclass(frozen=True, slots=True)
class Section:
    """One section ready to be stored. ``body`` is deflated JSON, ``digest`` hex SHA-256 of the JSON."""

    name: str
    value: Any
    body: bytes
    digest: str
    dropped: int


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: None, empty text, list or object. Zero and false say something."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def merge(stored: Any, incoming: Any) -> Any:
    """``incoming`` over ``stored``."""
    if is_empty(incoming):
        return stored
    if isinstance(stored, dict) and isinstance(incoming, dict):
        merged = dict(stored)
        for name, value in incoming.items():
            if name in merged:
                merged[name] = merge(merged[name], value)
            elif not is_empty(value) and len(merged) < MAX_MEMBERS:
                merged[name] = value
        return merged
    return incoming


def clean_details(details: Mapping[str, Any], complete: frozenset[str] = frozenset()) -> dict[str, tuple[Any, int]]:
    """Sections that say something, each with how many of its items were dropped.

    Args:
        details: sections by name, as sent.
        complete: sections that the device read without trouble: those say something even where they are empty.

    Raises:
        Invalid: ``invalid_payload``: too many sections, bad names, or a known section of another kind.
    """
    found: dict[str, tuple[Any, int]] = {}
    for name, value in details.items():
        if value is None or (is_empty(value) and name not in complete):
            continue
        if not name.isidentifier() or not name.isascii() or len(name) > 64:
            raise Invalid("invalid_payload", "A section of details has a name of up to 64 letters, digits and _.")
        if name in EMPTY and not isinstance(value, type(EMPTY[name])):
            kind = "an object" if isinstance(EMPTY[name], dict) else "a list"
            raise Invalid("invalid_payload", f"The section {name} of details is {kind}.")
        if name == "software":
            found[name] = clean_software(value)
            continue
        if name == "summary":
            value = {key: item for key, item in value.items() if key not in _ENGINES_OWN}  # noqa: PLW2901
        dropped = max(0, len(value) - MAX_ITEMS) if isinstance(value, list) else 0
        found[name] = (_clean(value[:MAX_ITEMS] if isinstance(value, list) else value, MAX_DEPTH), dropped)
    if len(found) > MAX_SECTIONS:
        raise Invalid("invalid_payload", f"Details have at most {MAX_SECTIONS} sections.")
    return found


def clean_software(items: Sequence[Any]) -> tuple[list[dict[str, Any]], int]:
    """Installed software, each (name, version, source) once, and how many were dropped for being too many."""
    seen: dict[tuple[str, str, str], dict[str, Any]] = {}
    for item in items:
        if not isinstance(item, dict):
            continue
        name = _text(item.get("name"))
        if not name:
            continue
        version, source = _text(item.get("version")), _text(item.get("source")).lower()
        source = _SOURCES.get(source, source) or "local_installed"
        key = (name.casefold(), version, source)
        if key in seen:
            continue
        metadata = item.get("metadata")
        entry: dict[str, Any] = {"name": name, "version": version, "source": source}
        if isinstance(metadata, dict) and metadata:
            entry["metadata"] = _clean(metadata, 3)
        seen[key] = entry
    entries = list(seen.values())
    return entries[:MAX_SOFTWARE], max(0, len(entries) - MAX_SOFTWARE)


def pack(name: str, value: Any, dropped: int = 0) -> Section:
    """A section in its stored form.

    Raises:
        TooLarge: ``too_large``.
    """
    encoded = msgspec.json.encode(value, order="deterministic")
    if len(encoded) > MAX_SECTION_BYTES:
        raise TooLarge("too_large", f"The section {name} of details is larger than {MAX_SECTION_BYTES} bytes.")
    return Section(name, value, zlib.compress(encoded, 1), hashlib.sha256(encoded).hexdigest(), dropped)


def unpack(body: bytes) -> Any:
    """The value of a stored section."""
    return msgspec.json.decode(zlib.decompressobj().decompress(body, MAX_REST_BODY_BYTES))


def short_fields(summary: Mapping[str, Any]) -> dict[str, str]:
    """What the device's record takes from a summary; only what says something."""
    found: dict[str, str] = {}
    for field, keys in _SHORT.items():
        for key in keys:
            text = _text(summary.get(key))
            if text:
                found[field] = text
                break
    return found


def uptime_of(summary: Mapping[str, Any]) -> int | None:
    """Uptime in seconds, if the summary has it."""
    for key in ("uptime_sec", "uptime_seconds", "uptime"):
        seconds = whole_uptime(summary.get(key))
        if seconds is not None:
            return seconds
    return None


def whole_uptime(value: Any) -> int | None:
    """Seconds as a whole number; None for what cannot be an uptime."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 <= value <= MAX_UPTIME else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return clean_text(value, MAX_TEXT)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = value[:MAX_STRING]
        return text.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in text else text
    if isinstance(value, dict):
        if depth <= 0:
            return {}
        return {key[:MAX_TEXT]: _clean(item, depth - 1) for key, item in list(value.items())[:MAX_MEMBERS]}
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value[:MAX_ITEMS]] if depth > 0 else []
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value) if abs(value) < 2**1000 else None
    return value
