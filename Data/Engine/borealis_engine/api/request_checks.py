"""Pure decisions about a request before anything else sees it: its path, its peer, its origin, its body.

Owns nothing, does no I/O. Called by ``auth_middleware``; peer and origin are judged in ``core.callers``, which the
gateway uses too.
"""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from borealis_engine.core.callers import check_same_origin, is_loopback, peer_address
from borealis_engine.core.errors import Invalid, TooLarge
from borealis_wire import strict_json

__all__ = [
    "CSRF_HEADER",
    "SAFE_METHODS",
    "check_media_type",
    "check_same_origin",
    "is_loopback",
    "is_plain_path",
    "parse_body",
    "peer_address",
    "too_large",
]

SAFE_METHODS: Final = frozenset({"GET"})
CSRF_HEADER: Final = "x-borealis-csrf"
MAX_PATH_BYTES: Final = 2048
_ENCODED_TRICKS: Final = re.compile(rb"%(?:2f|5c|2e%2e|3b|[01][0-9a-f]|7f|(?![0-9a-f]{2}))", re.IGNORECASE)
"""Separators, dots, controls, and percent signs that encode nothing."""


def is_plain_path(raw_path: bytes) -> bool:
    """Whether a request path means only what it says.

    Refused are encoded separators, dot and empty segments, a trailing slash, parameters after ``;``, back
    slashes, control characters and what is not UTF-8: each has made some server find another handler than its
    guard did (CVE-2024-1709).
    """
    path = raw_path.split(b"?", 1)[0]
    if path == b"/":
        return True
    if len(path) > MAX_PATH_BYTES or not path.startswith(b"/") or _ENCODED_TRICKS.search(path):
        return False
    if any(byte <= 0x20 or byte >= 0x7F or byte in b"\\;" for byte in path):
        return False
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(segment not in {"", ".", ".."} for segment in decoded[1:].split("/"))


def check_media_type(content_type: str | None, content_encoding: str | None) -> bool:
    """Whether the body claims to be plain UTF-8 JSON."""
    kind, _, parameters = (content_type or "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    return (
        kind.strip() == "application/json"
        and charset in {"", "charset=utf-8", "charset=utf8"}
        and (content_encoding or "identity").lower() == "identity"
    )


def parse_body(body: bytes, annotation: Any, *, max_bytes: int) -> Any:
    """Bytes to what the handler declared, strictly.

    Raises:
        Invalid: ``invalid_json`` for what is not JSON as we accept it, ``invalid_request`` for another form.
        TooLarge: ``too_large``.
    """
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    try:
        value = strict_json.loads(body, max_bytes=max_bytes)
    except strict_json.JsonError as error:
        raise Invalid("invalid_json", f"The body is not JSON as accepted here: {_clean(str(error))}.") from error
    try:
        return msgspec.convert(value, annotation, strict=True)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise Invalid("invalid_request", f"The request has another form: {_clean(str(error))}.") from error


def too_large(max_bytes: int) -> TooLarge:
    """The error for a body over its limit."""
    return TooLarge("too_large", f"The body is larger than the {max_bytes} bytes that this address takes.")


def _clean(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:300]
