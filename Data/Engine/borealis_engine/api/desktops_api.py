"""REST door: remote desktops. A ticket for a connection, who has one open, and what the policy of a site allows."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter
from msgspec import Meta

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.desktops import DesktopAsked, DesktopPolicy, OpenDesktop
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.desktop import MAX_ASK_SECONDS, MAX_SIDE, MIN_SIDE, Consent, DesktopKind

_Name = Annotated[str, Meta(max_length=320)]
_Account = Annotated[str, Meta(max_length=256)]
_Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE)]
_SiteId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Id = Annotated[str, Parameter(max_length=64)]
_PathId = Annotated[int, Parameter(ge=1, le=2**31 - 1)]
_Device = Annotated[str | None, QueryParameter(name="device", max_length=64, description="GUID of a device.")]


class NewDesktop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A desktop to see. ``agent_id``: upstream's, ``<HOST>_<GUID>_SYSTEM``, or the GUID alone.

    ``kind``: ``screen``, what a signed-in user sees, or ``own``, a desktop of its own that is begun for an account.
    ``user``: the account; empty for whoever is at the screen. ``width`` and ``height``: of a desktop of its own.
    """

    agent_id: _Name = ""
    kind: DesktopKind = DesktopKind.SCREEN
    user: _Account = ""
    view_only: bool = False
    width: _Side = 1280
    height: _Side = 800


class DesktopSession(msgspec.Struct, frozen=True):
    """The right to one WebSocket, good once and until ``expires_at`` (Unix seconds): ``ws_url``, or ``path`` with
    ``?token=``. ``view_only``: keys and pointer go nowhere. ``consent``: ``ask`` where the signed-in user is asked.
    ``session_id``: connections to the same desktop share it.
    """

    token: str
    ws_url: str
    path: str
    expires_at: float
    session_id: str
    view_only: bool
    consent: Consent


class DesktopList(msgspec.Struct, frozen=True):
    """Desktops that somebody has open, oldest first."""

    sessions: list[OpenDesktop]


class PolicyList(msgspec.Struct, frozen=True):
    """``default`` holds for every device whose site has no policy of its own."""

    default: DesktopPolicy
    sites: list[DesktopPolicy]


class NewPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds from now on for the devices of a site; ``site_id`` null: of all sites without a policy of their own.

    ``consent``: ``never``, or ``ask``: a signed-in user is asked first, and no answer within ``ask_seconds`` is a no.
    ``view_only``: nobody types or points.
    """

    consent: Consent
    site_id: _SiteId | None = None
    ask_seconds: Annotated[int, Meta(ge=5, le=MAX_ASK_SECONDS)] = 30
    view_only: bool = False


@post("/api/desktop/session", opt=operator(Permission.DESKTOP), responses=errors(404, 409, 429), tags=["desktops"])
async def open_desktop(
    request: Request[Any, Any, Any], services: Services, principal: Principal, data: NewDesktop
) -> DesktopSession:
    """Ask for a connection to a desktop. The device hears of it, and asks its user, when the WebSocket is opened."""
    if not data.agent_id:
        raise Invalid("agent_id_required", "Send agent_id: the device's agent id, or its GUID.")
    asked = DesktopAsked(data.kind, data.user.strip(), data.view_only, data.width, data.height)
    ticket = await services.desktops.prepare(principal, data.agent_id, asked)
    authority = urlsplit(services.settings.public_url).netloc or request.headers.get("host", "localhost")
    return DesktopSession(
        token=ticket.token,
        ws_url=f"wss://{authority}{ticket.path}?token={ticket.token}",
        path=ticket.path,
        expires_at=ticket.expires_at,
        session_id=ticket.session_id,
        view_only=ticket.view_only,
        consent=ticket.consent,
    )


@get("/api/desktop/sessions", opt=operator(Permission.DESKTOP), tags=["desktops"])
async def list_desktops(services: Services, principal: Principal, of_device: _Device = None) -> DesktopList:
    """Who has a desktop open, on the devices that one may see."""
    return DesktopList(services.desktops.listed(principal, of_device or ""))


@delete(
    "/api/desktop/sessions/{connection_id:str}",
    opt=operator(Permission.DESKTOP),
    status_code=200,
    responses=errors(404),
    tags=["desktops"],
)
async def end_desktop(services: Services, principal: Principal, peer: str, connection_id: _Id) -> OkAnswer:
    """End a connection to a desktop, whoever has it open. They are told who did."""
    await services.desktops.end(principal, connection_id, address=peer)
    return OkAnswer()


@get("/api/desktop/policy", opt=operator(Permission.SITES_READ), tags=["desktops"])
async def get_desktop_policy(services: Services, principal: Principal) -> PolicyList:
    """Whether users are asked before somebody sees their desktop, and whether anybody may use it; by site."""
    default, sites = await services.desktops.policy(principal)
    return PolicyList(default, sites)


@put("/api/desktop/policy", opt=operator(Permission.SITES_EDIT), responses=errors(404), tags=["desktops"])
async def set_desktop_policy(services: Services, principal: Principal, peer: str, data: NewPolicy) -> DesktopPolicy:
    """Set the policy of a site, or of all sites without one. Who uses what may only be looked at now is shut out."""
    wanted = DesktopPolicy(data.site_id, data.consent, data.ask_seconds, data.view_only)
    return await services.desktops.put_policy(principal, wanted, address=peer)


@delete(
    "/api/desktop/policy/{site_id:int}",
    opt=operator(Permission.SITES_EDIT),
    status_code=200,
    responses=errors(404),
    tags=["desktops"],
)
async def forget_desktop_policy(services: Services, principal: Principal, peer: str, site_id: _PathId) -> OkAnswer:
    """Take a site's own policy away: from now on that of all others holds there."""
    await services.desktops.remove_policy(principal, site_id, address=peer)
    return OkAnswer()


HANDLERS: list[HTTPRouteHandler] = [
    open_desktop,
    list_desktops,
    end_desktop,
    get_desktop_policy,
    set_desktop_policy,
    forget_desktop_policy,
]
