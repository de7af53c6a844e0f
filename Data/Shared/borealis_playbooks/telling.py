"""Ansible's own words, event by event, as text that may be shown: without colours, without secrets. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STARS: Final = re.compile(r"^((?:PLAY|TASK|RUNNING HANDLER|PLAY RECAP)\b.*?)\*{4,}[ \t]*$", re.MULTILINE)
MASK: Final = "********"


class Masking:
    """Replaces secrets, also as they look inside JSON and one line at a time."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            for text in (secret, *secret.splitlines()):
                forms |= {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        # The longest first: one may be a part of another. A single character is no secret and would hide all text.
        self._forms = sorted((form for form in forms if len(form.strip()) > 1), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def text_of(event: Mapping[str, Any]) -> str:
    """What Ansible printed for an event; empty where it printed nothing."""
    said = event.get("stdout")
    if not isinstance(said, str) or not said:
        return ""
    plain = _ESCAPES.sub("", said).replace("\r\n", "\n").replace("\r", "")
    return _STARS.sub(lambda found: found.group(1).rstrip(), plain)
