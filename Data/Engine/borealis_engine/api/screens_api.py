"""REST door: screens of signed-in users. One picture, what there is to see, who watches; live views go by socket."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from borealis_engine.api.access import answers_with, operator
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.screens import PictureAsked, ScreenList, Watcher
from borealis_wire.accounts import MAX_ACCOUNT_NAME
from borealis_wire.screen import MAX_MONITOR, MAX_SIDE, MEDIA_TYPES, ImageFormat, Region

_Guid = Annotated[str, Parameter(max_length=64)]
_Place = Annotated[int, Meta(ge=0, le=MAX_SIDE)]
_Length = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
_Seconds = Annotated[float, Meta(ge=1, le=60)]
_User = Annotated[str, Meta(max_length=MAX_ACCOUNT_NAME)]
DEFAULT_SECONDS: Final = 15.0


class ScreenRegion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a monitor, in pixels from its top left corner."""

    x: _Place
    y: _Place
    width: _Length
    height: _Length


class ScreenshotRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``monitor``: from 1, 0 for all together. ``quality``: of JPEG and WebP. ``timeout_seconds``: how long to wait.

    ``user``: whose screen; empty for the one who sits at the machine, or else the first by name.
    """

    monitor: Annotated[int, Meta(ge=0, le=MAX_MONITOR)] = 1
    region: ScreenRegion | None = None
    format: Literal["png", "jpeg", "webp"] = "png"
    quality: Annotated[int, Meta(ge=1, le=100)] = 80
    timeout_seconds: _Seconds = DEFAULT_SECONDS
    user: _User = ""


class ScreenLookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``timeout_seconds``: how long to wait for the device. ``user``: as for a screenshot."""

    timeout_seconds: _Seconds = DEFAULT_SECONDS
    user: _User = ""


class ScreenState(msgspec.Struct, frozen=True):
    """``reachable``: a signed-in user's agent is there now. ``user``: who signed in last, as the device said.

    ``users``: whose screens can be looked at now. ``watchers``: who watches live now.
    """

    guid: str
    hostname: str
    reachable: bool
    user: str
    users: list[str]
    watchers: list[Watcher]


@get(
    "/api/devices/{guid:str}/screen",
    opt=operator(Permission.SCREEN_VIEW),
    responses=errors(404),
    tags=["screens"],
)
async def get_screen(services: Services, principal: Principal, guid: _Guid) -> ScreenState:
    """Whether there is a screen to look at, and who watches it. Asks the device for nothing."""
    record, reachable, watchers = services.screens.watchers(principal, guid)
    users = [one["user"] for one in services.devices.presence(record.guid)["users"] if one["user"]]
    return ScreenState(record.guid, record.hostname, reachable, record.last_user, users, watchers)


@post(
    "/api/devices/{guid:str}/screen/list",
    opt=operator(Permission.SCREEN_VIEW),
    status_code=200,
    responses=errors(404, 409, 429),
    tags=["screens"],
)
async def list_screen(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: ScreenLookRequest
) -> ScreenList:
    """The monitors and windows of the signed-in user. What windows are called is private: who asked is on record."""
    return await services.screens.surroundings(
        principal, guid, seconds=data.timeout_seconds, address=peer, user=data.user
    )


@post(
    "/api/devices/{guid:str}/screenshot",
    opt={**operator(Permission.SCREEN_VIEW), **answers_with(*MEDIA_TYPES.values())},
    status_code=200,
    media_type="image/png",
    responses=errors(404, 409, 429),
    tags=["screens"],
)
async def take_screenshot(
    services: Services, principal: Principal, peer: str, guid: _Guid, data: ScreenshotRequest
) -> Response[bytes]:
    """A picture of the signed-in user's screen, in the format that was asked for. Nothing of it is stored."""
    region = data.region
    asked = PictureAsked(
        monitor=data.monitor,
        region=None if region is None else Region(region.x, region.y, region.width, region.height),
        format=ImageFormat(data.format),
        quality=data.quality,
        seconds=data.timeout_seconds,
        user=data.user,
    )
    picture = await services.screens.picture(principal, guid, asked, address=peer)
    headers: dict[str, Any] = {"content-disposition": f'inline; filename="screenshot.{picture.format.value}"'}
    return Response(picture.data, media_type=MEDIA_TYPES[picture.format], headers=headers)


HANDLERS: list[HTTPRouteHandler] = [get_screen, list_screen, take_screenshot]
