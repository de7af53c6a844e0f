"""How a playbook is to be run, as it is sealed in its order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused

MAX_TAGS: Final = 64
MAX_TAG: Final = 128
MAX_LIMIT: Final = 512
VAULT_PASSWORD: Final = "vault_password"
"""The name of the secret that opens what ``ansible-vault`` encrypted."""


@dataclass(frozen=True, slots=True)
class PlaybookOptions:
    """What ``ansible-playbook`` knows by the same names.

    Attributes:
        check: say what would change, change nothing.
        diff: show the difference in each file that changes.
        tags: run only what has one of these; empty: everything.
        skip_tags: leave out what has one of these.
        limit: a pattern of hosts; empty: all that the playbook names.
    """

    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    limit: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_options`."""
        return {
            "check": self.check,
            "diff": self.diff,
            "tags": list(self.tags),
            "skip_tags": list(self.skip_tags),
            "limit": self.limit,
        }


def parse_options(value: Any) -> PlaybookOptions:
    """Read options.

    Raises:
        Refused: ``malformed``: wrong types, unknown members, texts that are no tag or pattern.
    """
    if not isinstance(value, Mapping):
        raise _malformed("playbook is an object")
    unknown = set(value) - {"check", "diff", "tags", "skip_tags", "limit"}
    if unknown:
        raise _malformed(f"unknown option {min(unknown)!r} of a playbook")
    return PlaybookOptions(
        check=_flag(value, "check"),
        diff=_flag(value, "diff"),
        tags=_tags(value, "tags"),
        skip_tags=_tags(value, "skip_tags"),
        limit=_pattern(value.get("limit", "")),
    )


def _flag(value: Mapping[str, Any], name: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise _malformed(f"{name} is true or false")
    return found


def _tags(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = value.get(name, [])
    if not isinstance(found, list) or len(found) > MAX_TAGS:
        raise _malformed(f"{name} is a list of at most {MAX_TAGS} tags")
    for tag in found:
        if not isinstance(tag, str) or not 1 <= len(tag) <= MAX_TAG or tag.startswith("-") or not _plain(tag, ","):
            raise _malformed(f"a tag in {name} has 1 to {MAX_TAG} characters, without comma, quote or line break")
    return tuple(found)


def _pattern(value: Any) -> str:
    # A pattern that begins with @ names a file to read patterns from, which is no way to reach files.
    if not isinstance(value, str) or len(value) > MAX_LIMIT or value.startswith(("-", "@")) or not _plain(value, ""):
        raise _malformed(f"limit is a pattern of hosts of at most {MAX_LIMIT} characters")
    return value


def _plain(text: str, forbidden: str) -> bool:
    return not any(ord(char) < 32 or char in "\"'\\" or char in forbidden for char in text)


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)
