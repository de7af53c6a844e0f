"""Variables and files of upstream's documents (upstream-contract 9.2), checked and in one form; pure."""

import binascii
import math
from collections.abc import Mapping
from typing import Any, Final

from borealis_engine.core.errors import Invalid, TooLarge
from borealis_wire import base64s
from borealis_wire.limits import MAX_FILES, MAX_FILES_BYTES, MAX_VARIABLES
from borealis_wire.orders import safe_file_name
from borealis_wire.refusal import Refused

VARIABLE_TYPES: Final = frozenset({"string", "number", "boolean", "credential"})
MAX_TEXT: Final = 4000
MAX_SHORT: Final = 256
_VARIABLE_ALIASES: Final = {"name": ("name", "key"), "default": ("default", "default_value", "value")}
_FILE_ALIASES: Final = {"file_name": ("file_name", "name")}


def under_first_names(given: Mapping[str, Any], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The members of a document under upstream's first names; of several spellings the first that says something."""
    result = dict(given)
    for name, spellings in aliases.items():
        found = [result.pop(spelling) for spelling in spellings if spelling in result]
        chosen = next((value for value in found if value is not None and value != ""), found[0] if found else None)
        if chosen is not None:
            result[name] = chosen
    return result


def check_variables(value: Any) -> list[dict[str, Any]]:
    """Variables by their first names: name, label, type, default, required, description.

    Raises:
        Invalid: ``invalid_variable``, ``invalid_payload``.
    """
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_VARIABLES:
        raise _bad_variable(f"they are a list of at most {MAX_VARIABLES}")
    result = []
    seen: set[str] = set()
    for item in value:
        if not isinstance(item, Mapping):
            raise _bad_variable("each is an object")
        known = under_first_names(item, _VARIABLE_ALIASES)
        name = known.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 128 or "\0" in name or "=" in name:
            raise _bad_variable("each has a name of 1 to 128 characters without '='")
        if name in seen:
            raise _bad_variable(f"{name!r} is there twice")
        seen.add(name)
        kind = str(known.get("type") or "string").strip().lower()
        if kind not in VARIABLE_TYPES:
            raise _bad_variable(f"{name!r} has a type that is none of {', '.join(sorted(VARIABLE_TYPES))}")
        result.append(
            {
                "name": name,
                "label": text_of(known, "label", MAX_SHORT),
                "type": kind,
                "default": _default(name, kind, known.get("default")),
                "required": known.get("required") is True,
                "description": text_of(known, "description", MAX_TEXT),
            }
        )
    return result


def _default(name: str, kind: str, value: Any) -> Any:
    if value is None or (value == "" and kind != "string"):
        return None
    if kind == "credential":
        # A secret that was typed in as a default would end in every version, every export and every backup.
        raise _bad_variable(f"{name!r} is a credential, which has no default")
    if kind == "boolean":
        if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
            return value.strip().lower() == "true"
        if not isinstance(value, bool):
            raise _bad_variable(f"the default of {name!r} is true or false")
        return value
    if kind == "number":
        return _number(name, value)
    if not isinstance(value, str | int | float) or "\0" in str(value):
        raise _bad_variable(f"the default of {name!r} is a text")
    return str(value)


def _number(name: str, value: Any) -> int | float:
    candidates = (int, float) if isinstance(value, str) else ()
    for read in candidates:
        try:
            value = read(value)
            break
        except ValueError:
            continue
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad_variable(f"the default of {name!r} is a number")
    return value


def check_files(value: Any) -> list[dict[str, Any]]:
    """Files by their first names: file_name, size, mime_type, data (base64).

    Raises:
        Invalid: ``invalid_file``, ``invalid_payload``.
        TooLarge: ``files_too_large``.
    """
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_FILES:
        raise _bad_file(f"there are at most {MAX_FILES}, in a list")
    result: list[dict[str, Any]] = []
    seen: set[str] = set()
    total = 0
    for item in value:
        if not isinstance(item, Mapping):
            raise _bad_file("each is an object")
        known = under_first_names(item, _FILE_ALIASES)
        try:
            name = safe_file_name(known.get("file_name"))
        except Refused as error:
            raise _bad_file(error.detail) from error
        text = known.get("data") or ""
        try:
            size = len(base64s.decode(text)) if isinstance(text, str) else -1
        except (ValueError, binascii.Error):
            size = -1
        if size < 0:
            raise _bad_file(f"the data of {name!r} is not base64")
        total += size
        if total > MAX_FILES_BYTES:
            raise TooLarge("files_too_large", f"The files exceed {MAX_FILES_BYTES} bytes together.")
        if name.casefold() in seen:
            raise _bad_file(f"{name!r} is there twice")
        seen.add(name.casefold())
        kind = text_of(known, "mime_type", 128)
        result.append({"file_name": name, "size": size, "mime_type": kind, "data": text})
    return result


def text_of(given: Mapping[str, Any], name: str, limit: int) -> str:
    """A member that is a text of at most ``limit`` characters; empty where it is absent.

    Raises:
        Invalid: ``invalid_payload``.
    """
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        raise invalid(f"{name} is a text of at most {limit} characters")
    return value


def invalid(what: str) -> Invalid:
    """The error for a document that cannot be used."""
    return Invalid("invalid_payload", f"The payload cannot be used: {what}.")


def _bad_variable(what: str) -> Invalid:
    return Invalid("invalid_variable", f"The variables cannot be used: {what}.")


def _bad_file(what: str) -> Invalid:
    return Invalid("invalid_file", f"The files cannot be used: {what}.")
