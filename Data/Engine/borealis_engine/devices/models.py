"""What the room of devices hands out, and the record that it keeps of each device in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ACTIVE: Final = "active"
QUARANTINED: Final = "quarantined"
REVOKED: Final = "revoked"
STATUSES: Final = frozenset({ACTIVE, QUARANTINED, REVOKED, "decommissioned"})
MAY_CONNECT: Final = frozenset({ACTIVE, QUARANTINED})


@dataclass(frozen=True, slots=True)
class DeviceAuth:
    """A device as the doors see it; in memory for every device.

    Attributes:
        guid: upper-case UUID.
        hostname: unique, however capitalised.
        fingerprint: lower-case hex SHA-256 of its key's SPKI DER.
        public_key_spki: the key itself.
        token_version: goes up with each new key; access tokens of an earlier one are void.
        status: ``active``, ``quarantined``, ``revoked`` or ``decommissioned``.
        site_id: its site, None where it has none.
    """

    guid: str
    hostname: str
    fingerprint: str
    public_key_spki: bytes
    token_version: int
    status: str
    site_id: int | None

    @property
    def has_agent(self) -> bool:
        """Whether something of ours is on it; a machine without has no key."""
        return bool(self.public_key_spki)


@dataclass(frozen=True, slots=True)
class KnownDeviceRow:
    """What enrolment needs to know of a device on record. ``last_seen`` in Unix seconds, 0 for never."""

    guid: str
    hostname: str
    fingerprint: str
    status: str
    site_id: int | None
    last_seen: float
    token_version: int


@dataclass(frozen=True, slots=True)
class Site:
    """A group of devices. ``created_at`` in Unix seconds."""

    id: int
    name: str
    description: str
    created_at: float


REPORTED: Final = (
    "agent_id",
    "agent_build_id",
    "connection_type",
    "connection_endpoint",
    "device_type",
    "domain",
    "external_ip",
    "internal_ip",
    "last_reboot",
    "last_user",
    "operating_system",
)
"""Short texts that a device tells about itself; attributes of the record and columns of the table."""


@dataclass(slots=True, eq=False)
class DeviceRecord:
    """Everything about one device but its inventory. Changed on the event loop alone.

    ``uptime`` in seconds; percentages 0 to 100 or None; ``roles`` by run context, then role name; ``address`` is
    where it called from last. ``seen_at`` is ``last_seen`` on the steady clock: setting the Engine's wall clock
    must turn no device online or offline.
    """

    auth: DeviceAuth
    created_at: float
    key_added_at: float
    description: str = ""
    reported_hostname: str = ""
    named_by_operator: bool = False
    last_seen: float = 0.0
    seen_at: float = float("-inf")
    address: str = ""
    agent_id: str = ""
    agent_build_id: str = ""
    connection_type: str = ""
    connection_endpoint: str = ""
    device_type: str = ""
    domain: str = ""
    external_ip: str = ""
    internal_ip: str = ""
    last_reboot: str = ""
    last_user: str = ""
    active_user: str = ""
    """Who sits at its own screen now, as its SYSTEM agent said last; kept in memory alone."""
    operating_system: str = ""
    uptime: int = 0
    cpu_percent: float | None = None
    memory_percent: float | None = None
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    duplicate_suspected: bool = False
    duplicate_reason: str = ""
    online: bool = False
    """As last told to operators."""

    @property
    def guid(self) -> str:
        """Its GUID."""
        return self.auth.guid

    @property
    def has_agent(self) -> bool:
        """Whether something of ours is on it."""
        return self.auth.has_agent

    @property
    def hostname(self) -> str:
        """Its name."""
        return self.auth.hostname

    @property
    def status(self) -> str:
        """Its status."""
        return self.auth.status

    @property
    def site_id(self) -> int | None:
        """Its site."""
        return self.auth.site_id


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which devices to list: all filters have to fit. ``status`` is a device's, or ``online`` or ``offline``."""

    site_id: int | None = None
    status: str = ""
    hostname: str = ""
    connection_type: str = ""


@dataclass(frozen=True, slots=True)
class DeviceEdit:
    """What an operator wants changed; None leaves it. ``move`` says that ``site_id`` counts, None for no site."""

    hostname: str | None = None
    description: str | None = None
    move: bool = False
    site_id: int | None = None
    clear_duplicate: bool = False
