"""REST door: remote desktop of a device: what it said of it, the orders to prepare it, and to take that back."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.jobs import DesktopAction, LaunchedRun, LaunchRequest, desktop_job
from borealis_engine.operators.permissions import Permission, Principal

SECTION = "remote_desktop"
_Guid = Annotated[str, Parameter(max_length=64)]


class DesktopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of its remote desktop. ``reach``: from where somebody could connect, by its addresses.

    ``changes``: what was changed there by our orders, which ``undo`` takes back. ``looked_at``: Unix seconds.
    """

    system: str = ""
    server: str = ""
    ready: bool = False
    installed: bool = False
    version: str = ""
    running: bool = False
    starts_with_system: bool | None = None
    port: int = 3389
    listening: list[str] = []
    reach: Literal["nobody", "this machine", "network"] = "nobody"
    encryption: str = ""
    certificate: str = ""
    session: str = ""
    sessions: list[str] = []
    firewall: str = ""
    firewall_open: bool | None = None
    problems: list[str] = []
    can_prepare: bool = False
    cannot_prepare: str = ""
    changes: list[str] = []
    looked_at: float = 0.0


class DesktopView(msgspec.Struct, frozen=True):
    """``known`` is false, and ``report`` empty, before the device said anything."""

    guid: str
    hostname: str
    known: bool
    report: DesktopReport


class DesktopPreparation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``open_network``: let other machines connect: listen on every address, and open the device's firewall."""

    open_network: bool = False


class DesktopOrdered(msgspec.Struct, frozen=True):
    """The order is on its way; how it goes is in the run."""

    job_id: str
    run: LaunchedRun


@get(
    "/api/devices/{guid:str}/remote_desktop",
    opt=operator(Permission.DEVICES_READ),
    responses=errors(404),
    tags=["devices"],
)
async def get_remote_desktop(services: Services, principal: Principal, guid: _Guid) -> DesktopView:
    """Whether a device is ready for remote desktop, as it last said itself."""
    record = services.devices.get(principal, guid)
    said = (await services.devices.inventory(record)).get(SECTION)
    report = _read(said)
    return DesktopView(record.guid, record.hostname, report is not None, report or DesktopReport())


@post(
    "/api/devices/{guid:str}/remote_desktop/prepare",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    responses=errors(404),
    tags=["devices"],
)
async def prepare_remote_desktop(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: DesktopPreparation
) -> DesktopOrdered:
    """Install and start what remote desktop needs. Each change is on record there; the run says what was done."""
    return await _order(services, principal, peer, guid, "prepare", open_network=data.open_network)


@post(
    "/api/devices/{guid:str}/remote_desktop/undo",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    responses=errors(404),
    tags=["devices"],
)
async def undo_remote_desktop(services: Services, principal: Principal, peer: str, guid: _Guid) -> DesktopOrdered:
    """Restore what was before the device was prepared."""
    return await _order(services, principal, peer, guid, "undo")


@post(
    "/api/devices/{guid:str}/remote_desktop/look",
    opt=operator(Permission.RUNS_START),
    status_code=200,
    responses=errors(404),
    tags=["devices"],
)
async def look_at_remote_desktop(services: Services, principal: Principal, peer: str, guid: _Guid) -> DesktopOrdered:
    """Have the device look again now; by itself it does every five minutes."""
    return await _order(services, principal, peer, guid, "look")


async def _order(
    services: Services, principal: Principal, peer: str, guid: str, action: DesktopAction, *, open_network: bool = False
) -> DesktopOrdered:
    record = services.devices.get(principal, guid)
    system = record.operating_system.lower()
    if "mac" in system or "darwin" in system:
        raise Invalid("remote_desktop_unsupported", "Remote desktop is known on Linux and Windows devices alone.")
    job = desktop_job(action, open_network=open_network)
    launched = await services.jobs.launch(principal, LaunchRequest(guids=[record.guid]), address=peer, job=job)
    return DesktopOrdered(launched.job_id, launched.results[0])


def _read(said: Any) -> DesktopReport | None:
    """A device says what it likes; what is not a report is none."""
    if not isinstance(said, dict):
        return None
    try:
        return msgspec.convert(said, DesktopReport)
    except msgspec.ValidationError:
        return None


HANDLERS: list[HTTPRouteHandler] = [
    get_remote_desktop,
    prepare_remote_desktop,
    undo_remote_desktop,
    look_at_remote_desktop,
]
