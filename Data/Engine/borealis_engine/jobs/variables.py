"""Variables of a script: typed, merged with the operator's values, and turned into the environment; pure.

The rules are upstream's (upstream-contract 5), with one difference: upstream also replaces ``$env:NAME`` in
PowerShell text by a literal. A value in the middle of someone's quoted string is code, so here the script stays
as it was written and reads the environment.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from borealis_engine.core.errors import Invalid
from borealis_wire.limits import MAX_ENVIRONMENT_ENTRIES, MAX_VARIABLES

_KINDS: Final = {"string", "number", "boolean"}
_MEMBERS: Final = {"name", "key", "label", "type", "value", "default", "default_value", "required", "description"}
_NOT_ALPHANUMERIC: Final = re.compile(r"[^A-Za-z0-9_]")


def merge(variables: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Variables as they travel: ``{"name", "type", "value"}``, declared ones first.

    Args:
        variables: declared, each with ``name`` (or ``key``), ``type`` and ``value`` (or ``default``).
        values: what the operator filled in, by name; names that were not declared are added.

    Raises:
        Invalid: ``invalid_variable``, ``credential_unsupported``.
    """
    merged: dict[str, dict[str, Any]] = {}
    for variable in variables:
        unknown = set(variable) - _MEMBERS
        if unknown:
            raise _invalid(f"unknown member {sorted(unknown)[0]!r}")
        name = _name(variable.get("name", variable.get("key")))
        if name in merged:
            raise _invalid(f"{name!r} is there twice")
        value = next((variable[key] for key in ("value", "default", "default_value") if key in variable), None)
        value = values.get(name, value)
        if variable.get("required") is True and value in (None, ""):
            raise _invalid(f"{name!r} needs a value")
        merged[name] = _typed(name, variable.get("type"), value)
    for key, value in values.items():
        name = _name(key)
        if name not in merged:
            merged[name] = _typed(name, None, value)
    if len(merged) > MAX_VARIABLES:
        raise _invalid(f"there are more than {MAX_VARIABLES}")
    return tuple(merged.values())


def environment_of(variables: Sequence[Mapping[str, Any]], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of the script: each variable under its upper-case name and under its own; then what the
    operator set by hand, which wins.

    Raises:
        Invalid: ``invalid_environment``, ``invalid_variable``.
    """
    result: dict[str, str] = {}
    for variable in variables:
        alias = _NOT_ALPHANUMERIC.sub("_", variable["name"])
        for name in (alias.upper(), alias):
            result[name] = as_text(variable["value"])
    for name, text in environment.items():
        if not name or len(name) > 256 or "=" in name or "\0" in name or "\0" in text:
            raise Invalid("invalid_environment", "An environment entry has a name without '=', and no NUL anywhere.")
        result[name] = text
    if len(result) > MAX_ENVIRONMENT_ENTRIES:
        raise Invalid("invalid_environment", f"There are more than {MAX_ENVIRONMENT_ENTRIES} environment entries.")
    return result


def as_text(value: Any) -> str:
    """A value as scripts see it: ``True``/``False`` for booleans, nothing for null."""
    return "" if value is None else str(value)


def _typed(name: str, kind: Any, value: Any) -> dict[str, Any]:
    if kind is None:
        kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "string"
    if kind == "credential":
        raise Invalid(
            "credential_unsupported",
            f"The variable {name!r} asks for a stored credential. This Engine does not hand out credentials to "
            "scripts yet; use a variable of type string, or remove it.",
        )
    if kind not in _KINDS:
        raise _invalid(f"{name!r} is of an unknown type; known are string, number, boolean")
    if value is None:
        return {"name": name, "type": kind, "value": None}
    match kind:
        case "boolean":
            value = _boolean(name, value)
        case "number":
            value = _number(name, value)
        case _:
            if not isinstance(value, str | int | float):
                raise _invalid(f"{name!r} is a text")
            value = as_text(value)
            if "\0" in value:
                raise _invalid(f"{name!r} holds a NUL character")
    return {"name": name, "type": kind, "value": value}


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _invalid(f"{name!r} is true or false")


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if isinstance(value, str):
        for read in (int, float):
            try:
                number = read(value)
            except ValueError:
                continue
            if math.isfinite(number):
                return number
    raise _invalid(f"{name!r} is a number")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 128 or "\0" in value or "=" in value:
        raise _invalid("a variable has a name of 1 to 128 characters without '='")
    return value


def _invalid(what: str) -> Invalid:
    return Invalid("invalid_variable", f"The variables cannot be used: {what}.")
