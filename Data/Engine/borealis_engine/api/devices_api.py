"""REST door: devices as operators see and change them. What is out of their sites does not exist for them."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

from borealis_engine.api.access import operator
from borealis_engine.api.content_coding import LONG_ANSWER
from borealis_engine.api.device_views import (
    AgentView,
    DeviceFull,
    DeviceView,
    agent_views,
    device_full,
    device_view,
)
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid, NotFound
from borealis_engine.devices import DeviceEdit, DeviceQuery
from borealis_engine.devices.models import ACTIVE, QUARANTINED, REVOKED, STATUSES
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.limits import HOSTNAME_MAX

MAX_DESCRIPTION = 2000
_Guid = Annotated[str, Parameter(max_length=64)]
_Name = Annotated[str, Parameter(max_length=HOSTNAME_MAX)]
_Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
_FILTERS = STATUSES | {"online", "offline"}


class DeviceList(msgspec.Struct, frozen=True):
    """Devices by name."""

    devices: list[DeviceView]


class DevicePatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is absent stays. ``site_id`` null takes the device out of its site.

    ``duplicate_suspected`` false says that an operator looked into it and there is one machine only.
    """

    hostname: Annotated[str, Meta(max_length=HOSTNAME_MAX)] | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    site_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType | None = UNSET
    duplicate_suspected: bool | UnsetType = UNSET


class DescriptionText(msgspec.Struct, frozen=True):
    """A device's description."""

    description: _Description


class DeviceDone(msgspec.Struct, frozen=True):
    """It was done."""

    status: Literal["ok", "deleted"]


@get(
    "/api/devices",
    opt={**operator(Permission.DEVICES_READ), **LONG_ANSWER},
    responses=errors(404),
    tags=["devices"],
)
async def list_devices(
    services: Services,
    principal: Principal,
    *,
    site_id: Annotated[int | None, Parameter(ge=1, le=2**31 - 1)] = None,
    status: Annotated[str, Parameter(max_length=32, description="A status, or online or offline.")] = "",
    hostname: _Name = "",
    connection_type: Annotated[str, Parameter(max_length=64)] = "",
) -> DeviceList:
    """Devices by name, without their inventory."""
    if status and status not in _FILTERS:
        raise Invalid("invalid_status", f"status is one of {', '.join(sorted(_FILTERS))}.")
    query = DeviceQuery(site_id=site_id, status=status, hostname=hostname, connection_type=connection_type)
    found = services.devices.find(principal, query)
    return DeviceList([device_view(services.devices, record) for record in found])


@get(
    "/api/devices/{guid:str}",
    opt={**operator(Permission.DEVICES_READ), **LONG_ANSWER},
    responses=errors(404),
    tags=["devices"],
)
async def get_device(services: Services, principal: Principal, guid: _Guid) -> DeviceFull:
    """One device with its inventory."""
    record = services.devices.get(principal, guid)
    return device_full(services.devices, record, await services.devices.inventory(record))


@patch("/api/devices/{guid:str}", opt=operator(Permission.DEVICES_EDIT), responses=errors(404, 409), tags=["devices"])
async def change_device(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: DevicePatch
) -> DeviceView:
    """Rename, describe or move a device, or settle the suspicion that it is two."""
    if data.duplicate_suspected is True:
        raise Invalid("invalid_request", "duplicate_suspected can only be set to false.")
    record = services.devices.get(principal, guid)
    edit = DeviceEdit(
        hostname=None if data.hostname is UNSET else data.hostname,
        description=None if data.description is UNSET else data.description,
        move=data.site_id is not UNSET,
        site_id=None if data.site_id is UNSET else data.site_id,
        clear_duplicate=data.duplicate_suspected is False,
    )
    await services.devices.deeds.edit(principal, [record.guid], edit, address=peer)
    return device_view(services.devices, record)


@delete(
    "/api/devices/{guid:str}",
    opt=operator(Permission.DEVICES_REVOKE),
    status_code=200,
    responses=errors(404),
    tags=["devices"],
)
async def delete_device(services: Services, principal: Principal, peer: str, guid: _Guid) -> DeviceDone:
    """Forget a device, its key and its inventory; it has to enrol again. Its runs and the audit log stay."""
    await services.devices.deeds.delete(principal, services.devices.get(principal, guid).guid, address=peer)
    return DeviceDone("deleted")


@post(
    "/api/devices/{guid:str}/revoke",
    opt=operator(Permission.DEVICES_REVOKE),
    status_code=200,
    responses=errors(404, 409),
    tags=["devices"],
)
async def revoke_device(services: Services, principal: Principal, peer: str, guid: _Guid) -> DeviceView:
    """End a device's access, now. It comes back by a new enrolment only."""
    return await _set_status(services, principal, peer, guid, REVOKED)


@post(
    "/api/devices/{guid:str}/quarantine",
    opt=operator(Permission.DEVICES_REVOKE),
    status_code=200,
    responses=errors(404, 409),
    tags=["devices"],
)
async def quarantine_device(services: Services, principal: Principal, peer: str, guid: _Guid) -> DeviceView:
    """Give a device no more work; it may go on to report."""
    return await _set_status(services, principal, peer, guid, QUARANTINED)


@post(
    "/api/devices/{guid:str}/release",
    opt=operator(Permission.DEVICES_REVOKE),
    status_code=200,
    responses=errors(404, 409),
    tags=["devices"],
)
async def release_device(services: Services, principal: Principal, peer: str, guid: _Guid) -> DeviceView:
    """End a quarantine."""
    return await _set_status(services, principal, peer, guid, ACTIVE)


@get("/api/agents", opt={**operator(Permission.DEVICES_READ), **LONG_ANSWER}, tags=["devices"])
async def list_agents(services: Services, principal: Principal) -> dict[str, AgentView]:
    """Agents by agent id, in upstream's form."""
    now = services.clock.now()
    found = services.devices.find(principal, DeviceQuery())
    return {
        view.agent_id: view
        for record in found
        if record.auth.has_agent
        for view in agent_views(services.devices, record, now)
    }


@get("/api/device/details/{hostname:str}", opt=operator(Permission.DEVICES_READ), tags=["devices"])
async def details_by_name(services: Services, principal: Principal, hostname: _Name) -> dict[str, Any]:
    """A device by its name, as GET /api/devices/{guid} has it; an empty object for an unknown name."""
    try:
        record = services.devices.by_name(principal, hostname)
    except NotFound:
        return {}
    full = device_full(services.devices, record, await services.devices.inventory(record))
    built: dict[str, Any] = msgspec.to_builtins(full)
    return built


@post(
    "/api/device/description/{hostname:str}",
    opt=operator(Permission.DEVICES_EDIT),
    status_code=200,
    responses=errors(404),
    tags=["devices"],
)
async def describe_by_name(
    services: Services, principal: Principal, peer: str, hostname: _Name, data: DescriptionText
) -> DeviceDone:
    """Give a device another description, in upstream's form."""
    record = services.devices.by_name(principal, hostname)
    edit = DeviceEdit(description=data.description)
    await services.devices.deeds.edit(principal, [record.guid], edit, address=peer)
    return DeviceDone("ok")


async def _set_status(services: Services, principal: Principal, peer: str, guid: str, status: str) -> DeviceView:
    record = services.devices.get(principal, guid)
    await services.devices.deeds.set_status(principal, record.guid, status, address=peer)
    return device_view(services.devices, record)


HANDLERS: list[HTTPRouteHandler] = [
    list_devices,
    get_device,
    change_device,
    delete_device,
    revoke_device,
    quarantine_device,
    release_device,
    list_agents,
    details_by_name,
    describe_by_name,
]
