"""JSON without its traps: no duplicate names, no NaN, no lone surrogates, bounded depth and size.

A signed document that two parsers read differently is a hole (which of two equal names wins?), so both
sides read through here. RFC 8259 leaves these cases open; RFC 7493 (I-JSON) forbids them.
"""

import json
import math
from typing import Any, Final

from borealis_wire.limits import MAX_JSON_DEPTH

_LEAST_WHOLE: Final = -(2**63)
_LARGEST_WHOLE: Final = 2**63 - 1
"""No database and no other language's parser takes more."""


class JsonError(ValueError):
    """Bytes that are not JSON as we accept it."""


def loads(data: bytes, *, max_bytes: int, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """Parse UTF-8 JSON.

    Args:
        data: the raw document.
        max_bytes: larger documents are refused before they are parsed.
        max_depth: deepest nesting of arrays and objects.

    Raises:
        JsonError: too large, not UTF-8, not JSON, duplicate names, NaN or infinity, whole numbers beyond 64 bits,
            lone surrogates, too deep.
    """
    if len(data) > max_bytes:
        raise JsonError(f"document of {len(data)} bytes exceeds {max_bytes}")
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except JsonError:
        raise
    except (UnicodeDecodeError, ValueError) as error:
        raise JsonError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    _check(value, max_depth)
    return value


def canonical(value: Any) -> bytes:
    """The one byte form that we sign: names sorted, no white space, UTF-8, no NaN.

    Raises:
        JsonError: the value has no such form.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
            "utf-8"
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise JsonError(f"cannot be encoded: {error}") from error


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether arrays and objects nest deeper than ``limit`` (``[]`` is 1 deep); never recurses itself."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        nested: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                nested.extend(item.values())
            elif isinstance(item, list):
                nested.extend(item)
        level = [item for item in nested if isinstance(item, dict | list)] if nested else []
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise JsonError("an object has the same name twice")
    return result


def _no_constant(name: str) -> Any:
    raise JsonError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError("a number is too large")  # 1e999 would turn into infinity, which no JSON can say again
    return number


def _check(value: Any, max_depth: int) -> None:
    if depth_exceeds(value, max_depth):
        raise JsonError(f"nested deeper than {max_depth}")
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            _no_surrogates(item)
        elif isinstance(item, dict):
            for name in item:
                _no_surrogates(name)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, int) and not _LEAST_WHOLE <= item <= _LARGEST_WHOLE:
            raise JsonError("a whole number does not fit into 64 bits")


def _no_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonError("a string holds a lone surrogate") from error
