"""REST door: saved views of the table of devices, and saved filters (upstream's device_list_views, device_filters).

What is in columns, filters and criteria is the page's own; the Engine keeps it and bounds its size. Times are Unix
seconds (float). PUT replaces the whole of it.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import body_limit, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.library import SavedFilter, SavedView, saved
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.limits import KIB

_READ: Final = operator(Permission.DEVICES_READ)
_SAVE: Final = {**operator(Permission.SELF), **body_limit(256 * KIB)}
_Number = Annotated[int, Parameter(ge=1, le=2**31 - 1)]
_Name = Annotated[str, Meta(max_length=256)]
_SiteIds = Annotated[list[Annotated[int, Meta(ge=1, le=2**31 - 1)]], Meta(max_length=1000)]


class ViewView(msgspec.Struct, frozen=True, kw_only=True):
    """A saved view. ``shared``: everybody sees it; else it is one's own. ``editable``: the caller may change it."""

    id: int
    name: str
    shared: bool
    owner: str
    columns: list[Any]
    filters: dict[str, Any]
    created_at: float
    updated_at: float
    editable: bool


class ViewList(msgspec.Struct, frozen=True):
    """Saved views by name."""

    views: list[ViewView]


class ViewToSave(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A view to save."""

    name: _Name
    shared: bool = False
    columns: Annotated[list[Any], Meta(max_length=500)] = msgspec.field(default_factory=list)
    filters: dict[str, Any] = msgspec.field(default_factory=dict)


class FilterView(msgspec.Struct, frozen=True, kw_only=True):
    """A saved filter. ``site_mode`` ``global``: of all sites; ``sites``: of those in ``sites`` (that one may see)."""

    id: int
    name: str
    shared: bool
    owner: str
    description: str
    archived: bool
    criteria_mode: Literal["basic"]
    site_mode: Literal["global", "sites"]
    sites: list[int]
    basic_criteria: dict[str, Any]
    last_edited_by: str
    created_at: float
    updated_at: float
    editable: bool


class FilterList(msgspec.Struct, frozen=True):
    """Saved filters by name."""

    filters: list[FilterView]


class FilterToSave(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter to save; ``sites`` counts where ``site_mode`` is ``sites``."""

    name: _Name
    shared: bool = False
    description: Annotated[str, Meta(max_length=4000)] = ""
    archived: bool = False
    criteria_mode: Literal["basic"] = "basic"
    site_mode: Literal["global", "sites"] = "global"
    sites: _SiteIds = msgspec.field(default_factory=list)
    basic_criteria: dict[str, Any] = msgspec.field(default_factory=dict)


@get("/api/device_list_views", opt=_READ, tags=["saved"])
async def list_views(services: Services, principal: Principal) -> ViewList:
    """Shared views and one's own."""
    return ViewList([_view(item, principal) for item in await services.saved.views(principal)])


@post("/api/device_list_views", opt=_SAVE, status_code=201, responses=errors(409), tags=["saved"])
async def create_view(services: Services, principal: Principal, peer: str, data: ViewToSave) -> ViewView:
    """Save a view; sharing it needs ``devices.edit``. Names are unique among one's own, and among the shared."""
    return await _save_view(services, principal, peer, None, data)


@put("/api/device_list_views/{number:int}", opt=_SAVE, responses=errors(404, 409), tags=["saved"])
async def change_view(
    services: Services, principal: Principal, peer: str, number: _Number, data: ViewToSave
) -> ViewView:
    """Save a view anew."""
    return await _save_view(services, principal, peer, number, data)


@delete("/api/device_list_views/{number:int}", opt=operator(Permission.SELF), status_code=200, tags=["saved"])
async def delete_view(services: Services, principal: Principal, peer: str, number: _Number) -> OkAnswer:
    """Delete a view."""
    await services.saved.delete_view(principal, number, address=peer)
    return OkAnswer()


@get("/api/device_filters", opt=_READ, tags=["saved"])
async def list_filters(services: Services, principal: Principal) -> FilterList:
    """Shared filters and one's own; those of other sites only are left out."""
    return FilterList([_filter(item, principal) for item in await services.saved.filters(principal)])


@get("/api/device_filters/{number:int}", opt=_READ, responses=errors(404), tags=["saved"])
async def get_filter(services: Services, principal: Principal, number: _Number) -> FilterView:
    """One filter: what a link to it opens."""
    return _filter(await services.saved.filter(principal, number), principal)


@post("/api/device_filters", opt=_SAVE, status_code=201, responses=errors(404, 409), tags=["saved"])
async def create_filter(services: Services, principal: Principal, peer: str, data: FilterToSave) -> FilterView:
    """Save a filter; sharing it needs ``devices.edit``. Names are unique among one's own, and among the shared."""
    return await _save_filter(services, principal, peer, None, data)


@put("/api/device_filters/{number:int}", opt=_SAVE, responses=errors(404, 409), tags=["saved"])
async def change_filter(
    services: Services, principal: Principal, peer: str, number: _Number, data: FilterToSave
) -> FilterView:
    """Save a filter anew."""
    return await _save_filter(services, principal, peer, number, data)


@delete("/api/device_filters/{number:int}", opt=operator(Permission.SELF), status_code=200, tags=["saved"])
async def delete_filter(services: Services, principal: Principal, peer: str, number: _Number) -> OkAnswer:
    """Delete a filter."""
    await services.saved.delete_filter(principal, number, address=peer)
    return OkAnswer()


async def _save_view(
    services: Services, principal: Principal, peer: str, number: int | None, data: ViewToSave
) -> ViewView:
    made = await services.saved.save_view(
        principal,
        number,
        name=data.name,
        shared=data.shared,
        columns=data.columns,
        filters=data.filters,
        address=peer,
    )
    return _view(made, principal)


async def _save_filter(
    services: Services, principal: Principal, peer: str, number: int | None, data: FilterToSave
) -> FilterView:
    made = await services.saved.save_filter(
        principal,
        number,
        name=data.name,
        shared=data.shared,
        description=data.description,
        archived=data.archived,
        site_ids=tuple(data.sites) if data.site_mode == "sites" else None,
        criteria=data.basic_criteria,
        address=peer,
    )
    return _filter(made, principal)


def _view(item: SavedView, principal: Principal) -> ViewView:
    return ViewView(
        id=item.id,
        name=item.name,
        shared=item.shared,
        owner=item.owner,
        columns=item.columns,
        filters=dict(item.filters),
        created_at=item.created_at,
        updated_at=item.updated_at,
        editable=saved.may_change(principal, item),
    )


def _filter(item: SavedFilter, principal: Principal) -> FilterView:
    return FilterView(
        id=item.id,
        name=item.name,
        shared=item.shared,
        owner=item.owner,
        description=item.description,
        archived=item.archived,
        criteria_mode="basic",
        site_mode="global" if item.site_ids is None else "sites",
        sites=list(item.site_ids or ()),
        basic_criteria=dict(item.criteria),
        last_edited_by=item.updated_by,
        created_at=item.created_at,
        updated_at=item.updated_at,
        editable=saved.may_change(principal, item),
    )


HANDLERS: list[HTTPRouteHandler] = [
    list_views,
    create_view,
    change_view,
    delete_view,
    list_filters,
    get_filter,
    create_filter,
    change_filter,
    delete_filter,
]
