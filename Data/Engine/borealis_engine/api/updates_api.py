"""REST door: agents that replace themselves. For operators: rollouts; for devices: the package, by its digest."""

from collections import Counter
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import DevicePrincipal, answers_with, device, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.updates import Asked, Rollout, Update
from borealis_wire.events import Rest

MAX_NAMED: Final = 10_000
PACKAGE_TYPE: Final = "application/gzip"
_Name = Annotated[str, Meta(min_length=1, max_length=253)]
_Names = Annotated[list[_Name], Meta(max_length=MAX_NAMED)]
_Id = Annotated[str, Parameter(max_length=64)]
_Digest = Annotated[str, Parameter(pattern="^[0-9a-f]{64}$", description="SHA-256 of the package.")]


class UpdateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Devices by GUID, name (or GUID), site, or all. ``at_once``: how many agents may be on the way at a time.

    ``stop_after``: so many that went wrong end the rollout for the rest. ``allow_older``: also to an older release.
    """

    guids: _Names = []
    hostnames: _Names = []
    site_ids: Annotated[list[Annotated[int, Meta(ge=1, le=2**31 - 1)]], Meta(max_length=1000)] = []
    all: bool = False
    at_once: Annotated[int, Meta(ge=1, le=1000)] = 10
    stop_after: Annotated[int, Meta(ge=1, le=100_000)] = 1
    allow_older: bool = False


class UpdateView(msgspec.Struct, frozen=True):
    """One device's update. ``from_build``: what it ran before. Times are Unix seconds."""

    request_id: str
    guid: str
    device: str
    state: str
    reason: str
    from_build: str
    created_at: float
    changed_at: float


class RolloutView(msgspec.Struct, frozen=True):
    """A rollout, with those of its updates that the caller may see; ``counts`` of these by state."""

    rollout_id: str
    state: str
    reason: str
    build_id: str
    release: str
    allow_older: bool
    at_once: int
    stop_after: int
    requested_by: str
    created_at: float
    ended_at: float | None
    counts: dict[str, int]
    updates: list[UpdateView]


class RolloutList(msgspec.Struct, frozen=True):
    """Rollouts, newest first."""

    rollouts: list[RolloutView]


class SkippedView(msgspec.Struct, frozen=True):
    """A device that was meant and is not updated. ``why``: ``up_to_date``, ``under_way`` or ``not_active``."""

    guid: str
    device: str
    why: str


class RolloutBegun(msgspec.Struct, frozen=True):
    """What was begun, and what was passed over."""

    rollout: RolloutView
    skipped: list[SkippedView]


class PackageView(msgspec.Struct, frozen=True):
    """What would be rolled out now."""

    build_id: str
    release: str
    sha256: str
    size: int


@get("/api/updates/package", opt=operator(Permission.DEVICES_READ), responses=errors(409), tags=["updates"])
async def get_package(services: Services) -> PackageView:
    """The agent that belongs to this Engine, as agents would get it."""
    package = await services.updates.current_package()
    return PackageView(package.build_id, package.release, package.sha256, package.size)


@post(
    "/api/updates",
    opt=operator(Permission.DEVICES_UPDATE),
    status_code=201,
    responses=errors(404, 409),
    tags=["updates"],
)
async def begin_update(services: Services, principal: Principal, peer: str, data: UpdateRequest) -> RolloutBegun:
    """Have agents replace themselves by the version that belongs to this Engine. Devices that are away follow later."""
    if not (data.guids or data.hostnames or data.site_ids or data.all):
        raise Invalid("no_targets", "Name devices or sites, or say all.")
    asked = Asked(
        guids=tuple(data.guids),
        hostnames=tuple(data.hostnames),
        site_ids=tuple(data.site_ids),
        all_devices=data.all,
        at_once=data.at_once,
        stop_after=data.stop_after,
        allow_older=data.allow_older,
    )
    begun = await services.updates.begin(principal, asked, address=peer)
    skipped = [SkippedView(one.guid, one.hostname, one.why) for one in begun.skipped]
    return RolloutBegun(_view(begun.rollout, services.updates.hostnames(principal)), skipped)


@get("/api/updates", opt=operator(Permission.DEVICES_READ), tags=["updates"])
async def list_updates(
    services: Services,
    principal: Principal,
    guid: Annotated[str, Parameter(max_length=64, description="Only rollouts that this device was in.")] = "",
) -> RolloutList:
    """The newest rollouts, 50 at most; with ``guid`` each with that device's update alone."""
    found = await services.updates.rollouts(principal, guid=guid.upper())
    names = services.updates.hostnames(principal)
    return RolloutList([_view(rollout, names) for rollout in found])


@get("/api/updates/{rollout_id:str}", opt=operator(Permission.DEVICES_READ), responses=errors(404), tags=["updates"])
async def get_update(services: Services, principal: Principal, rollout_id: _Id) -> RolloutView:
    """One rollout."""
    rollout = await services.updates.rollout(principal, rollout_id)
    return _view(rollout, services.updates.hostnames(principal))


@post(
    "/api/updates/{rollout_id:str}/stop",
    opt=operator(Permission.DEVICES_UPDATE),
    status_code=200,
    responses=errors(404, 409),
    tags=["updates"],
)
async def stop_update(services: Services, principal: Principal, peer: str, rollout_id: _Id) -> RolloutView:
    """Begin no further update. Those that devices have begun go on to their end."""
    rollout = await services.updates.stop(principal, rollout_id, address=peer)
    return _view(rollout, services.updates.hostnames(principal))


@get(
    Rest.UPDATE + "/{sha256:str}",
    opt={**device(limit="results"), **answers_with(PACKAGE_TYPE)},
    media_type=PACKAGE_TYPE,
    responses=errors(404),
    tags=["device"],
)
async def fetch_package(services: Services, device: DevicePrincipal, sha256: _Digest) -> Response[bytes]:
    """The package that an order names. It holds no secret; what makes it count is the signed order."""
    package = await services.updates.package(sha256)
    return Response(package.content, media_type=PACKAGE_TYPE)


def _view(rollout: Rollout, names: dict[str, str]) -> RolloutView:
    updates = [_update(one, names) for one in rollout.updates.values() if one.guid in names]
    return RolloutView(
        rollout_id=rollout.rollout_id,
        state=rollout.state.value,
        reason=rollout.reason,
        build_id=rollout.build_id,
        release=rollout.release,
        allow_older=rollout.allow_older,
        at_once=rollout.at_once,
        stop_after=rollout.stop_after,
        requested_by=rollout.requested_by,
        created_at=rollout.created_at,
        ended_at=rollout.ended_at,
        counts=dict(Counter(one.state for one in updates)),
        updates=updates,
    )


def _update(one: Update, names: dict[str, str]) -> UpdateView:
    return UpdateView(
        one.request_id,
        one.guid,
        names[one.guid],
        one.state.value,
        one.reason,
        one.from_build,
        one.created_at,
        one.changed_at,
    )


HANDLERS: list[HTTPRouteHandler] = [get_package, begin_update, list_updates, get_update, stop_update, fetch_package]
