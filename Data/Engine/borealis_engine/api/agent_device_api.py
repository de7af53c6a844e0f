"""REST door: heartbeat and inventory of devices (upstream-contract 3.1 and 3.2)."""

from typing import Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from borealis_engine.api.access import DevicePrincipal, device
from borealis_engine.api.services import Services
from borealis_wire.events import Rest, RunContext
from borealis_wire.messages import Details, Heartbeat, HeartbeatAnswer

HEARTBEAT_POLL_MS: Final = 15_000
"""Upstream's; its agents stay at 60 s all the same."""


class DetailsTaken(msgspec.Struct, frozen=True):
    """``ok``: the inventory is on disk; send the next one when something has changed."""

    status: str


@post(Rest.HEARTBEAT, opt=device(), status_code=200, tags=["device"])
async def heartbeat(services: Services, device: DevicePrincipal, peer: str, data: Heartbeat) -> HeartbeatAnswer:
    """Say how the device is. What is empty leaves what is known; a name that another device has is passed over."""
    await services.devices.heartbeat(device.guid, RunContext(device.context), data, peer)
    return HeartbeatAnswer(status="ok", poll_after_ms=HEARTBEAT_POLL_MS)


@post(Rest.DETAILS, opt=device(), status_code=200, tags=["device"])
async def details(services: Services, device: DevicePrincipal, peer: str, data: Details) -> DetailsTaken:
    """Say what the device is. Sections are merged into what is known: what is not empty wins."""
    await services.devices.details(device.guid, RunContext(device.context), data, peer)
    return DetailsTaken("ok")


HANDLERS: list[HTTPRouteHandler] = [heartbeat, details]
