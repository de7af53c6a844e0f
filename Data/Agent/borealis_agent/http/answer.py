"""What the Engine said to one request, read strictly. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.limits import MAX_MESSAGE_BYTES, MIB

MAX_ANSWER_BYTES: Final = MAX_MESSAGE_BYTES + MIB
MAX_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Engine said. ``body`` is empty where it was no JSON object; times in Unix seconds."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    server_time: float | None = None

    @property
    def code(self) -> str:
        """The error code, empty where there is none."""
        code = self.body.get("error")
        return code[:64] if isinstance(code, str) else ""

    @property
    def detail(self) -> str:
        """The Engine's sentence, empty where there is none."""
        detail = self.body.get("detail")
        return detail[:512] if isinstance(detail, str) else ""


def read_answer(status: int, raw: bytes, headers: Mapping[str, str]) -> Answer:
    """An answer from its parts; a body that is not a strict JSON object counts as empty."""
    return Answer(status, _object(raw), _retry_after(headers.get("Retry-After")), _http_date(headers.get("Date")))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = strict_json.loads(raw, max_bytes=MAX_ANSWER_BYTES)
    except strict_json.JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _retry_after(text: str | None) -> float | None:
    try:
        seconds = float(text) if text else math.nan
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None


def _http_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
