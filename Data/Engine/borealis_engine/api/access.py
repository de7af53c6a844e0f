"""The auth rule of each route, named on the route; a route without one is refused and fails a test.

Write ``@get("/api/devices", opt=operator(Permission.DEVICES_READ))``. ``PUBLIC_ROUTES`` in the tests lists
every public route with its reason (threats 1). A route that takes larger or smaller bodies than usual says so:
``opt={**device(limit="results"), **body_limit(MAX_REST_UPLOAD_BYTES)}``.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from borealis_engine.operators.permissions import Permission

OPT_KEY: Final = "access"
BODY_OPT_KEY: Final = "max_body_bytes"
ANSWER_OPT_KEY: Final = "answers_with"
BYTES_OPT_KEY: Final = "takes_bytes"
DeviceLimit = Literal["device", "results"]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a route. ``reason`` says why a public one is public."""

    kind: Literal["public", "device", "operator"]
    permission: Permission | None = None
    reason: str = ""
    limit: DeviceLimit = "device"


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device whose access token held: ``context`` and ``user`` are the token's."""

    guid: str
    fingerprint: str
    context: str
    hostname: str
    status: str
    user: str = ""


def public(reason: str) -> dict[str, Any]:
    """Anybody may call it, for this reason."""
    return {OPT_KEY: Access("public", reason=reason)}


def device(*, limit: DeviceLimit = "device") -> dict[str, Any]:
    """A device with a valid access token; ``limit`` names the rate limit that counts its calls.

    ``device`` is upstream's 60 in 60 s for each fingerprint (upstream-contract 2.2); ``results`` is apart and
    wider, so that results piled up during an outage are not held back by heartbeats, nor the reverse.
    """
    return {OPT_KEY: Access("device", limit=limit)}


def operator(permission: Permission) -> dict[str, Any]:
    """A signed-in operator with this permission."""
    return {OPT_KEY: Access("operator", permission)}


def body_limit(max_bytes: int) -> dict[str, Any]:
    """The largest request body of a route, where it is not ``limits.MAX_REST_BODY_BYTES``."""
    return {BODY_OPT_KEY: max_bytes}


def answers_with(*media_types: str) -> dict[str, Any]:
    """What a route answers with where that is bytes and no JSON; for the API document."""
    return {ANSWER_OPT_KEY: media_types}


def takes_bytes() -> dict[str, Any]:
    """A route whose body is plain bytes, that its handler reads itself as they come; for the API document."""
    return {BYTES_OPT_KEY: True}
