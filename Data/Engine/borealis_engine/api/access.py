"""The auth rule of each route, named on the route; a route without one is refused and fails a test.

Write ``@get("/api/devices", opt=operator(Permission.DEVICES_READ))``. ``PUBLIC_ROUTES`` in the tests lists
every public route with its reason (threats 1).
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from borealis_engine.operators.permissions import Permission

OPT_KEY: Final = "access"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. ``reason`` says why a public one is public."""

    kind: Literal["public", "device", "operator"]
    permission: Permission | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device whose access token held: ``context`` is the token's."""

    guid: str
    fingerprint: str
    context: str
    hostname: str
    status: str


def public(reason: str) -> dict[str, Any]:
    """Anybody may call it, for this reason."""
    return {OPT_KEY: Access("public", reason=reason)}


def device() -> dict[str, Any]:
    """A device with a valid access token."""
    return {OPT_KEY: Access("device")}


def operator(permission: Permission) -> dict[str, Any]:
    """A signed-in operator with this permission."""
    return {OPT_KEY: Access("operator", permission)}
