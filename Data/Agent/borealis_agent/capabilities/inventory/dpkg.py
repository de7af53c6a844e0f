"""Debian packages from /var/lib/dpkg, without starting dpkg."""

import time
from collections.abc import Iterator
from typing import Any, Final

from borealis_agent.capabilities.inventory.source import LARGE, Source, whole

_STATUS: Final = "/var/lib/dpkg/status"
_MAX_FIELD: Final = 400
_WANTED: Final = (
    "package",
    "version",
    "architecture",
    "section",
    "source",
    "installed-size",
    "description",
    "homepage",
    "maintainer",
)


def dpkg_packages(source: Source) -> list[dict[str, Any]]:
    """Installed packages. ``metadata.size`` in bytes; ``installed_at`` is the day of the last change to the package."""
    data = source.read(_STATUS, LARGE)
    if not data:
        return []
    dates = source.modified_names("/var/lib/dpkg/info", ".list")
    automatic = _automatic(source)
    found = []
    for fields in _stanzas(data.decode("utf-8", "replace")):
        name = fields.get("package", "")
        if not name or not fields.get("status", "").endswith(" installed"):
            continue
        architecture = fields.get("architecture", "")
        when = dates.get(f"{name}.list") or dates.get(f"{name}:{architecture}.list")
        metadata = {
            "architecture": architecture,
            "description": fields.get("description", ""),
            "section": fields.get("section", ""),
            "size": (whole(fields.get("installed-size", "")) or 0) * 1024,
            "source": fields.get("source", "").partition(" ")[0],
            "homepage": fields.get("homepage", ""),
            "publisher": fields.get("maintainer", "").partition(" <")[0],
            "installed_at": time.strftime("%Y-%m-%d", time.gmtime(when)) if when else "",
            "automatic": f"{name}:{architecture}" in automatic or None,
            "held": True if fields["status"].startswith("hold ") else None,
        }
        found.append(
            {
                "name": name,
                "version": fields.get("version", ""),
                "source": "dpkg",
                "metadata": {key: value for key, value in metadata.items() if value not in ("", 0, None)},
            }
        )
    return found


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """The wanted fields of each paragraph (deb822); folded lines and the rest are passed over."""
    wanted = frozenset((*_WANTED, "status"))
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in paragraph.split("\n"):
            if line[:1] in " \t":
                continue
            name, _, value = line.partition(":")
            name = name.lower()
            if name in wanted:
                fields[name] = value.strip()[:_MAX_FIELD]
        if fields:
            yield fields


def _automatic(source: Source) -> frozenset[str]:
    """Packages that came because another needed them."""
    found = set()
    for paragraph in source.text("/var/lib/apt/extended_states", LARGE).split("\n\n"):
        if "Auto-Installed: 1" not in paragraph:
            continue
        words = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        found.add(f"{words.get('Package', '')}:{words.get('Architecture', '')}")
    return frozenset(found)


def unfinished_packages(source: Source) -> list[str]:
    """Packages that dpkg left half installed or half configured."""
    data = source.text(_STATUS, LARGE)
    states = ("half-installed", "half-configured", "unpacked")
    if not any(f" {state}\n" in data for state in states):
        return []
    return [
        item["package"] for item in _stanzas(data) if item.get("status", "").endswith(states) and "package" in item
    ][:200]
