"""REST door: sites. An operator who is limited to some sees those, and counts of those, only."""

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.devices import DeviceQuery, Site
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.limits import HOSTNAME_MAX

MAX_ASSIGNED = 20_000
_SiteId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_PathId = Annotated[int, Parameter(ge=1, le=2**31 - 1)]
_Name = Annotated[str, Meta(max_length=256)]
_Description = Annotated[str, Meta(max_length=2000)]
_Hostname = Annotated[str, Meta(max_length=HOSTNAME_MAX)]


class SiteView(msgspec.Struct, frozen=True):
    """A site; ``created_at`` in Unix seconds. ``enrollment_code`` is upstream's and always null: codes are made
    one by one and shown once."""

    id: int
    name: str
    description: str
    created_at: int
    device_count: int
    enrollment_code: str | None = None


class SiteList(msgspec.Struct, frozen=True):
    """Sites by name."""

    sites: list[SiteView]


class NewSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site to make."""

    name: _Name
    description: _Description = ""


class SitePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; null or absent leaves it."""

    name: _Name | None = None
    description: _Description | None = None


class SitesToDelete(msgspec.Struct, frozen=True):
    """Sites to delete."""

    ids: Annotated[list[_SiteId], Meta(min_length=1, max_length=1000)]


class SiteRename(msgspec.Struct, frozen=True):
    """Another name for a site."""

    id: _SiteId
    new_name: _Name


class SiteAssignment(msgspec.Struct, frozen=True):
    """Devices, by hostname or GUID, for a site; ``site_id`` null takes them out of theirs."""

    site_id: _SiteId | None
    hostnames: Annotated[list[_Hostname], Meta(min_length=1, max_length=MAX_ASSIGNED)]


class SitesDeleted(msgspec.Struct, frozen=True):
    """How many sites were deleted."""

    status: Literal["ok"]
    deleted: int


class DevicesAssigned(msgspec.Struct, frozen=True):
    """How many devices are in the site now."""

    status: Literal["ok"]
    assigned: int


class MappedSite(msgspec.Struct, frozen=True):
    """The site of one device."""

    site_id: int
    site_name: str


class DeviceMap(msgspec.Struct, frozen=True):
    """Site by hostname; devices without a site are left out."""

    mapping: dict[str, MappedSite]


@get("/api/sites", opt=operator(Permission.SITES_READ), tags=["sites"])
async def list_sites(services: Services, principal: Principal) -> SiteList:
    """Sites by name."""
    return SiteList([_view(site, count) for site, count in services.devices.sites.seen_by(principal)])


@post("/api/sites", opt=operator(Permission.SITES_EDIT), responses=errors(409), tags=["sites"])
async def create_site(services: Services, principal: Principal, peer: str, data: NewSite) -> SiteView:
    """Make a site."""
    site = await services.devices.sites.create(principal, name=data.name, description=data.description, address=peer)
    return _view(site, 0)


@patch("/api/sites/{site_id:int}", opt=operator(Permission.SITES_EDIT), responses=errors(404, 409), tags=["sites"])
async def change_site(
    services: Services, principal: Principal, peer: str, site_id: _PathId, data: SitePatch
) -> SiteView:
    """Give a site another name or description."""
    return await _change(services, principal, peer, site_id, data)


@delete(
    "/api/sites/{site_id:int}",
    opt=operator(Permission.SITES_EDIT),
    status_code=200,
    responses=errors(404),
    tags=["sites"],
)
async def delete_site(services: Services, principal: Principal, peer: str, site_id: _PathId) -> SitesDeleted:
    """Remove a site. Its devices stay, without one, seen by operators of all sites only."""
    return await _delete(services, principal, peer, [site_id])


@post("/api/sites/delete", opt=operator(Permission.SITES_EDIT), status_code=200, responses=errors(404), tags=["sites"])
async def delete_sites(services: Services, principal: Principal, peer: str, data: SitesToDelete) -> SitesDeleted:
    """Remove several sites, all or none, in upstream's form."""
    return await _delete(services, principal, peer, data.ids)


@post(
    "/api/sites/rename",
    opt=operator(Permission.SITES_EDIT),
    status_code=200,
    responses=errors(404, 409),
    tags=["sites"],
)
async def rename_site(services: Services, principal: Principal, peer: str, data: SiteRename) -> SiteView:
    """Give a site another name, in upstream's form."""
    return await _change(services, principal, peer, data.id, SitePatch(name=data.new_name))


@post("/api/sites/assign", opt=operator(Permission.SITES_EDIT), status_code=200, responses=errors(404), tags=["sites"])
async def assign_devices(services: Services, principal: Principal, peer: str, data: SiteAssignment) -> DevicesAssigned:
    """Put devices into a site, all or none."""
    count = await services.devices.sites.assign(principal, data.site_id, data.hostnames, address=peer)
    return DevicesAssigned("ok", count)


@get("/api/sites/device_map", opt=operator(Permission.SITES_READ), tags=["sites"])
async def device_map(
    services: Services,
    principal: Principal,
    hostnames: Annotated[str, Parameter(max_length=100_000, description="Only these, joined by commas.")] = "",
) -> DeviceMap:
    """Which device is in which site, by hostname."""
    wanted = {name.strip().casefold() for name in hostnames.split(",") if name.strip()}
    mapping = {}
    for record in services.devices.find(principal, DeviceQuery()):
        site = services.devices.site_of(record)
        if site is not None and (not wanted or record.hostname.casefold() in wanted):
            mapping[record.hostname] = MappedSite(site.id, site.name)
    return DeviceMap(mapping)


async def _change(services: Services, principal: Principal, peer: str, site_id: int, data: SitePatch) -> SiteView:
    site = await services.devices.sites.change(
        principal, site_id, name=data.name, description=data.description, address=peer
    )
    return _view(site, len(services.devices.find(principal, DeviceQuery(site_id=site_id))))


async def _delete(services: Services, principal: Principal, peer: str, site_ids: list[int]) -> SitesDeleted:
    count = await services.devices.sites.delete(principal, site_ids, address=peer)
    services.operators.sites_changed()  # who was limited to it must lose it now, not at their next sign-in
    return SitesDeleted("ok", count)


def _view(site: Site, device_count: int) -> SiteView:
    return SiteView(site.id, site.name, site.description, int(site.created_at), device_count)


HANDLERS: list[HTTPRouteHandler] = [
    list_sites,
    create_site,
    change_site,
    delete_site,
    delete_sites,
    rename_site,
    assign_devices,
    device_map,
]
