"""Whether an inventory says something new. Pure.

Everything counts but what changes by itself: the uptime never does, free space only by a good deal.
"""

import hashlib
import json
from typing import Any, Final, NamedTuple

_IGNORED: Final = frozenset(
    {
        ("state",),
        ("summary", "uptime_sec"),
        ("updates", "lists_refreshed_at"),
        ("updates", "packages_changed_at"),
        ("services", "running_count"),
        ("storage", "*", "free"),
        ("storage", "*", "used"),
        ("storage", "*", "inodes"),
        ("storage", "*", "inodes_free"),
    }
)
_MEASURED: Final = {("storage", "*", "usage"): 5.0}
"""Values that count as changed from this difference on (percentage points)."""
_REBOOT: Final = ("summary", "last_reboot")
"""Ignored too: it is uptime against a clock that is being corrected. A boot shows in ``os.boot_id``."""


class Fingerprint(NamedTuple):
    """What is kept of an inventory to compare the next with: small, and JSON in and out."""

    digest: str
    measured: dict[str, float]

    def differs(self, other: "Fingerprint") -> bool:
        """Whether ``other`` is worth sending after this one was."""
        if self.digest != other.digest or self.measured.keys() != other.measured.keys():
            return True
        thresholds = {"/".join(path): limit for path, limit in _MEASURED.items()}
        return any(
            abs(value - other.measured[name]) > thresholds.get(name.partition("#")[0], 0.0)
            for name, value in self.measured.items()
        )


def fingerprint(details: dict[str, Any]) -> Fingerprint:
    """Digest of what counts, and the measured values by name."""
    measured: dict[str, float] = {}
    steady = _steady(details, (), measured, "")
    text = json.dumps(steady, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return Fingerprint(hashlib.sha256(text.encode()).hexdigest(), measured)


def read_fingerprint(value: Any) -> Fingerprint | None:
    """A fingerprint out of JSON, or None where it is none."""
    if not isinstance(value, dict):
        return None
    digest, measured = value.get("digest"), value.get("measured")
    if not isinstance(digest, str) or not isinstance(measured, dict):
        return None
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in measured.values()):
        return None
    return Fingerprint(digest, measured)


def _steady(value: Any, path: tuple[str, ...], measured: dict[str, float], name: str) -> Any:
    # Only the sections named in the tables above are walked through; the rest is taken whole.
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            below = (*path, key)
            if below in _IGNORED or below == _REBOOT:
                continue
            if below in _MEASURED and isinstance(item, int | float):
                measured["/".join(below) + "#" + name] = float(item)
                continue
            kept[key] = _steady(item, below, measured, name) if len(below) < 3 else item
        return kept
    if isinstance(value, list) and path == ("storage",):
        return [
            _steady(item, (*path, "*"), measured, str(item.get("drive", "")) if isinstance(item, dict) else "")
            for item in value
        ]
    return value
