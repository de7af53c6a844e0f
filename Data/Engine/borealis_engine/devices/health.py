"""Health of an agent's roles as heartbeats bring it: bounded, and in one form. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from borealis_engine.devices.names import clean_text
from borealis_wire.events import RunContext

MAX_ROLES: Final = 64
MAX_MEMBERS: Final = 16
MAX_NAME: Final = 64
MAX_TEXT: Final = 512
UNWELL: Final = frozenset({"degraded", "rejected"})
"""States of a role that a person has to look at."""


def clean_roles(roles: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Role name to a small flat object with at least ``state``; what is too much is left out."""
    cleaned: dict[str, dict[str, Any]] = {}
    for name, health in list(roles.items())[:MAX_ROLES]:
        key = clean_text(name, MAX_NAME)
        if key:
            cleaned[key] = _health(health)
    return cleaned


def shown_roles(by_context: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Roles of all run contexts in one object, each with its ``context``.

    A name that both contexts have is the SYSTEM agent's; the other one is shown as ``<name> (interactive)``.
    """
    shown: dict[str, Any] = {}
    for context in (RunContext.SYSTEM.value, RunContext.INTERACTIVE.value):
        for name, health in by_context.get(context, {}).items():
            key = f"{name} ({context})" if name in shown else name
            shown[key] = {**health, "context": context}
    return shown


def role_states(roles: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """What operators are told of: the state of each role and its reason."""
    return {name: (health.get("state"), health.get("reason")) for name, health in roles.items()}


def _health(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"state": clean_text(value, MAX_NAME)}
    if not isinstance(value, dict):
        return {"state": "unknown"}
    found: dict[str, Any] = {}
    for name, item in list(value.items())[:MAX_MEMBERS]:
        if isinstance(item, str):
            found[clean_text(name, MAX_NAME)] = clean_text(item, MAX_TEXT)
        elif item is None or isinstance(item, bool) or (isinstance(item, int | float) and abs(item) < 2**53):
            found[clean_text(name, MAX_NAME)] = item
    found.setdefault("state", "unknown")
    return found
