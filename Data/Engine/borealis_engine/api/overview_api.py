"""REST door: the fleet at a glance. Limits of sites hold in every number. Times are Unix seconds (float)."""

from dataclasses import asdict
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.overview import Counts, Point

MAX_HOURS: Final = 30 * 24
MAX_TIME: Final = 253402300799
"""The last second of the year 9999."""


class OverviewDevices(msgspec.Struct, frozen=True, kw_only=True):
    """Devices by what they are: online, offline and revoked add up to ``total``; the rest are among these.

    ``outdated``: agents of another build than ``agent_build``.
    """

    total: int
    online: int
    offline: int
    quarantined: int
    revoked: int
    outdated: int


class OverviewPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One sample; ``runs`` and ``failed`` of the 24 hours before it. Null: not for the caller to see."""

    at: float
    online: int
    offline: int
    quarantined: int
    revoked: int
    outdated: int
    waiting: int | None
    runs: int | None
    failed: int | None


class OverviewSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Samples, oldest first, ``step_seconds`` apart; where the Engine did not run there are none."""

    step_seconds: int
    points: list[OverviewPoint]


class RunBar(msgspec.Struct, frozen=True, kw_only=True):
    """Runs asked for within one step from ``at`` on; ``other``: cancelled, or not over yet."""

    at: float
    done: int
    failed: int
    other: int


class OverviewRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs since the reader's midnight, by status, and bars over time, oldest first and without gaps."""

    today: dict[str, int]
    step_seconds: int
    bars: list[RunBar]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet now and lately.

    ``waiting``: devices that wait for approval. ``runs_24h``: runs begun in the last 24 hours, by status. Null: not
    for the caller to see. ``agent_build``: the build that counts as up to date; empty where nobody can tell.
    ``runs`` only where ``midnight`` was given.
    """

    at: float
    devices: OverviewDevices
    waiting: int | None
    runs_24h: dict[str, int] | None
    agent_build: str
    runs: OverviewRuns | None
    series: OverviewSeries


@get("/api/overview", opt=operator(Permission.DEVICES_READ), responses=errors(404), tags=["devices"])
async def overview(
    services: Services,
    principal: Principal,
    *,
    hours: Annotated[int, Parameter(ge=1, le=MAX_HOURS, description="How far back the series goes.")] = 24,
    site_id: Annotated[int | None, Parameter(ge=1, le=2**31 - 1, description="Of this site only.")] = None,
    midnight: Annotated[
        float | None,
        Parameter(ge=0, le=MAX_TIME, description="The caller's last midnight: count runs since then, and bars."),
    ] = None,
) -> Overview:
    """Counts of devices, approvals and runs, and how they went."""
    now = await services.overview.glance(principal, site_id=site_id)
    series = await services.overview.series(principal, hours=hours, site_id=site_id)
    approvals, runs = principal.may(Permission.ENROLMENT_READ), principal.may(Permission.RUNS_READ)
    bars = None
    if runs and midnight is not None:
        today, found = await services.overview.bars(principal, hours=hours, midnight=midnight, site_id=site_id)
        bars = OverviewRuns(
            today=dict(today), step_seconds=found.step_seconds, bars=[RunBar(**asdict(bar)) for bar in found.bars]
        )
    return Overview(
        at=now.at,
        devices=_devices(now.counts),
        waiting=now.waiting if approvals else None,
        runs_24h=dict(now.runs) if runs else None,
        agent_build=now.agent_build,
        runs=bars,
        series=OverviewSeries(
            step_seconds=series.step_seconds,
            points=[_point(point, approvals=approvals, runs=runs) for point in series.points],
        ),
    )


def _devices(counts: Counts) -> OverviewDevices:
    return OverviewDevices(
        total=counts.online + counts.offline + counts.revoked,
        online=counts.online,
        offline=counts.offline,
        quarantined=counts.quarantined,
        revoked=counts.revoked,
        outdated=counts.outdated,
    )


def _point(point: Point, *, approvals: bool, runs: bool) -> OverviewPoint:
    counts = point.counts
    return OverviewPoint(
        at=point.at,
        online=counts.online,
        offline=counts.offline,
        quarantined=counts.quarantined,
        revoked=counts.revoked,
        outdated=counts.outdated,
        waiting=point.waiting if approvals else None,
        runs=point.runs if runs else None,
        failed=point.failed if runs else None,
    )


HANDLERS: list[HTTPRouteHandler] = [overview]
