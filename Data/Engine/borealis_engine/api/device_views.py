"""Shapes of devices as REST shows them, with upstream's field names (upstream-contract 8b). Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from borealis_engine.devices import DeviceRecord, DeviceService
from borealis_engine.devices.health import shown_roles
from borealis_wire.events import CONTEXT_HEADER_VALUES, SERVICE_MODES, RunContext
from borealis_wire.messages import agent_id

COLLECTOR_SECONDS: Final = 130


class SignedInView(msgspec.Struct, frozen=True):
    """A signed-in user whose agent is there. ``user`` is empty for an agent that names nobody.

    ``since``: Unix seconds. ``active``: this user sits at the machine's own screen.
    """

    user: str
    since: float
    active: bool


class PresenceView(msgspec.Struct, frozen=True):
    """Who is there. ``contexts`` have a live session, ``since`` when; ``last_seen`` in Unix seconds, 0 for never.

    ``users``: signed-in users with an agent, by name.
    """

    online: bool
    contexts: list[str]
    last_seen: float
    since: dict[str, float]
    users: list[SignedInView]


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device. Times in whole Unix seconds (0: never), ``uptime`` in seconds, percentages 0 to 100.

    ``status`` is ``active``, ``quarantined`` or ``revoked``; ``address`` is where it called from last;
    ``roles`` by name, each with ``state`` and ``context``. ``duplicate_suspected``: another machine seems to
    have the same identity, ``duplicate_reason`` says why. ``has_agent`` false: the Engine reaches it by
    ``connection_type`` at ``connection_endpoint``, and nothing tells whether it is there.
    """

    guid: str
    agent_guid: str
    agent_id: str
    hostname: str
    reported_hostname: str
    description: str
    status: str
    site_id: int | None
    site_name: str | None
    site_description: str | None
    operating_system: str
    device_type: str
    domain: str
    internal_ip: str
    external_ip: str
    address: str
    last_reboot: str
    last_seen: int
    last_seen_iso: str
    last_user: str
    uptime: int
    cpu_percent: float | None
    memory_percent: float | None
    agent_build_id: str
    agent_hash: str
    connection_type: str
    connection_endpoint: str
    created_at: int
    created_at_iso: str
    key_added_at: int
    ssl_key_fingerprint: str
    has_agent: bool
    duplicate_suspected: bool
    duplicate_reason: str
    presence: PresenceView
    roles: dict[str, dict[str, Any]]


class DeviceFull(DeviceView, frozen=True, kw_only=True):
    """A device with its inventory: ``details`` has summary, cpu, memory, storage, network, software and more."""

    details: dict[str, Any]


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in upstream's form; ``status`` is ``Online`` or ``Offline``."""

    agent_id: str
    agent_guid: str
    agent_hash: str
    hostname: str
    agent_hostname: str
    service_mode: str
    collector_active: bool
    collector_active_ts: int
    status: str
    connection_type: str
    connection_endpoint: str
    device_type: str
    domain: str
    external_ip: str
    internal_ip: str
    last_reboot: str
    last_seen: int
    last_user: str
    operating_system: str
    uptime: int
    site_id: int | None
    site_name: str | None
    site_description: str | None


def device_view(devices: DeviceService, record: DeviceRecord) -> DeviceView:
    """A device as lists have it."""
    return DeviceView(**_members(devices, record))


def device_full(devices: DeviceService, record: DeviceRecord, details: dict[str, Any]) -> DeviceFull:
    """A device with its inventory."""
    return DeviceFull(**_members(devices, record), details=details)


def agent_views(devices: DeviceService, record: DeviceRecord, now: float) -> Iterator[AgentView]:
    """The agents of a device: SYSTEM, and CURRENTUSER where one was ever heard of."""
    presence = devices.presence(record.guid)
    site = devices.site_of(record)
    for context in RunContext:
        known = context.value in presence["contexts"] or context.value in record.roles
        if context is not RunContext.SYSTEM and not known:
            continue
        yield AgentView(
            agent_id=agent_id(record.hostname, record.guid, CONTEXT_HEADER_VALUES[context]),
            agent_guid=record.guid,
            agent_hash=record.agent_build_id,
            hostname=record.hostname,
            agent_hostname=record.reported_hostname or record.hostname,
            service_mode=SERVICE_MODES[context],
            collector_active=0 <= now - record.last_seen < COLLECTOR_SECONDS,
            collector_active_ts=int(record.last_seen),
            status="Online" if presence["online"] else "Offline",
            connection_type=record.connection_type,
            connection_endpoint=record.connection_endpoint,
            device_type=record.device_type,
            domain=record.domain,
            external_ip=record.external_ip,
            internal_ip=record.internal_ip,
            last_reboot=record.last_reboot,
            last_seen=int(record.last_seen),
            last_user=record.last_user,
            operating_system=record.operating_system,
            uptime=record.uptime,
            site_id=record.site_id,
            site_name=site.name if site else None,
            site_description=site.description if site else None,
        )


def _members(devices: DeviceService, record: DeviceRecord) -> dict[str, Any]:
    site = devices.site_of(record)
    return {
        "guid": record.guid,
        "agent_guid": record.guid,
        "agent_id": record.agent_id or agent_id(record.hostname, record.guid, "SYSTEM"),
        "hostname": record.hostname,
        "reported_hostname": record.reported_hostname,
        "description": record.description,
        "status": record.status,
        "site_id": record.site_id,
        "site_name": site.name if site else None,
        "site_description": site.description if site else None,
        "operating_system": record.operating_system,
        "device_type": record.device_type,
        "domain": record.domain,
        "internal_ip": record.internal_ip,
        "external_ip": record.external_ip,
        "address": record.address,
        "last_reboot": record.last_reboot,
        "last_seen": int(record.last_seen),
        "last_seen_iso": _iso(record.last_seen),
        "last_user": record.last_user,
        "uptime": record.uptime,
        "cpu_percent": record.cpu_percent,
        "memory_percent": record.memory_percent,
        "agent_build_id": record.agent_build_id,
        "agent_hash": record.agent_build_id,
        "connection_type": record.connection_type,
        "connection_endpoint": record.connection_endpoint,
        "created_at": int(record.created_at),
        "created_at_iso": _iso(record.created_at),
        "key_added_at": int(record.key_added_at),
        "ssl_key_fingerprint": record.auth.fingerprint if record.auth.has_agent else "",
        "has_agent": record.auth.has_agent,
        "duplicate_suspected": record.duplicate_suspected,
        "duplicate_reason": record.duplicate_reason,
        "presence": _presence(devices.presence(record.guid)),
        "roles": shown_roles(record.roles),
    }


def _presence(found: dict[str, Any]) -> PresenceView:
    return PresenceView(**{**found, "users": [SignedInView(**user) for user in found["users"]]})


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat() if seconds > 0 else ""
