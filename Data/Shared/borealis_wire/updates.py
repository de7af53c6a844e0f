"""Orders to an agent to replace itself, and what it tells of that. Shape only, like ``orders``."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode
from borealis_wire.limits import KIB, MIB
from borealis_wire.members import malformed, object_of, text_of, times_of
from borealis_wire.refusal import Refused

MAX_PACKAGE_BYTES: Final = 16 * MIB
UPDATE_ORDER_SECONDS: Final = 600
"""How long an order may be begun; a device that is away gets a new one when it comes."""
MAX_ORDER_BYTES: Final = 4 * KIB
_BUILD: Final = re.compile(r"[0-9a-f]{16}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RELEASE: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}")


class UpdateStatus(StrEnum):
    """What an agent tells of an update: ``waiting`` for runs to end; the last three are the end of it."""

    STARTED = "started"
    WAITING = "waiting"
    INSTALLED = "installed"
    ROLLED_BACK = "rolled_back"
    ERROR = "error"


class UpdateTold(msgspec.Struct, frozen=True):
    """``agent_silent_update_status``, as devices send it; upstream's agents send the first four members."""

    request_id: Annotated[str, Meta(min_length=1, max_length=64)]
    status: Literal["started", "waiting", "installed", "rolled_back", "error"]
    hostname: Annotated[str, Meta(max_length=512)] = ""
    error: Annotated[str, Meta(max_length=2000)] = ""
    build_id: Annotated[str, Meta(max_length=64)] = ""
    """What runs now."""


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """One update of one device. Times are Unix seconds.

    Attributes:
        request_id: unique; no order is followed twice.
        build_id: what the package's content is called.
        release: of the package, like ``1.4.2``.
        sha256: of the package, which is fetched by it.
        size: of the package in bytes.
        allow_older: whether a release may be older than the one that runs.
    """

    request_id: str
    device_guid: str
    build_id: str
    release: str
    sha256: str
    size: int
    allow_older: bool
    issued_at: float
    expires_at: float

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.request_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return "update"

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(asdict(self))


_MEMBERS: Final = frozenset(UpdateOrder.__dataclass_fields__)


def parse_update(payload: bytes) -> UpdateOrder:
    """Read an order to update.

    Raises:
        Refused: ``malformed``, or ``too_large``.
    """
    value = object_of(payload, max_bytes=MAX_ORDER_BYTES)
    if set(value) != _MEMBERS:
        # A member we do not know may carry a condition we would break by ignoring it.
        raise malformed("an order to update has members that are not known, or lacks some")
    if not isinstance(value["allow_older"], bool):
        raise malformed("allow_older is true or false")
    size = value["size"]
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise malformed("size is a number of bytes")
    if size > MAX_PACKAGE_BYTES:
        raise Refused(RefusalCode.TOO_LARGE, f"the package exceeds {MAX_PACKAGE_BYTES} bytes")
    issued_at, expires_at = times_of(value)
    return UpdateOrder(
        request_id=text_of(value, "request_id", most=64),
        device_guid=text_of(value, "device_guid", most=64),
        build_id=_matching(value, "build_id", _BUILD),
        release=_matching(value, "release", _RELEASE),
        sha256=_matching(value, "sha256", _SHA256),
        size=size,
        allow_older=value["allow_older"],
        issued_at=issued_at,
        expires_at=expires_at,
    )


def is_older(release: str, than: str) -> bool:
    """Whether one release is older than another: ``1.9`` than ``1.10``, not ``1.0`` than ``1``.

    Raises:
        ValueError: one of them is no release.
    """
    return _parts(release) < _parts(than)


def _parts(release: str) -> tuple[int, ...]:
    if _RELEASE.fullmatch(release) is None:
        raise ValueError(f"{release!r} is no release")
    parts = [int(part) for part in release.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _matching(members: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = members[name]
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise malformed(f"{name} has another form")
    return value
