"""REST door: remote desktops by RDP (upstream-contract 7.6). The pictures go by WebSocket, as told here."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter
from msgspec import Meta

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.rdp import Account, OpenRdp, RdpAsked, RdpTicket

_Id = Annotated[str, Parameter(max_length=64)]
_Device = Annotated[str | None, QueryParameter(name="device", max_length=64, description="GUID of a device.")]
_Text = Annotated[str, Meta(max_length=256)]
_Side = Annotated[int, Meta(ge=1, le=16384)]


class RdpSessionAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``agent_id``: upstream's, or the device's GUID. ``protocol``: ``rdp``. Width and height in pixels.

    ``certificate``: SHA-256, in hex, of the certificate that the device is to be known by from now on.
    """

    agent_id: Annotated[str, Meta(max_length=320)] = ""
    protocol: Annotated[str, Meta(max_length=32)] = "rdp"
    username: _Text = ""
    password: _Text = ""
    domain: _Text = ""
    width: _Side = 1280
    height: _Side = 800
    certificate: Annotated[str, Meta(max_length=95, pattern=r"^[0-9A-Fa-f:]*$")] = ""


class RdpSessions(msgspec.Struct, frozen=True):
    """Those that are open, oldest first. ``unavailable``: why this Engine has none at all."""

    sessions: list[OpenRdp]
    unavailable: str


@post(
    "/api/rdp/session",
    opt=operator(Permission.DESKTOP),
    status_code=200,
    responses=errors(404, 409),
    tags=["rdp"],
)
async def ask_for_rdp(
    request: Request[Any, Any, Any], services: Services, principal: Principal, peer: str, data: RdpSessionAsked
) -> RdpTicket:
    """A ticket for a device's remote desktop, good once and for 120 s. Brings the tunnel up where there is none."""
    if not data.agent_id:
        raise Invalid("agent_id_required", "Send agent_id: the device's agent id, or its GUID.")
    if data.protocol != "rdp":
        raise Invalid("unsupported_protocol", "The protocol is rdp; other desktops are under /api/desktop.")
    asked = RdpAsked(
        device=data.agent_id,
        account=Account(data.username, data.domain, data.password),
        width=data.width,
        height=data.height,
        certificate=data.certificate,
    )
    host = request.headers.get("host", "")
    ticket = await services.rdp.ask(principal, asked, host=host, address=peer)
    return msgspec.structs.replace(ticket, ws_url=f"wss://{_authority(services, host)}{ticket.ws_url}")


@get("/api/rdp/sessions", opt=operator(Permission.DESKTOP), tags=["rdp"])
async def list_rdp(services: Services, principal: Principal, of_device: _Device = None) -> RdpSessions:
    """Who has a remote desktop open by RDP, on the devices that one may see."""
    return RdpSessions(services.rdp.listed(principal, (of_device or "").upper()), services.rdp.missing)


@delete(
    "/api/rdp/sessions/{session_id:str}",
    opt=operator(Permission.DESKTOP),
    status_code=200,
    responses=errors(404),
    tags=["rdp"],
)
async def end_rdp(services: Services, principal: Principal, peer: str, session_id: _Id) -> OkAnswer:
    """End somebody's. They are told who did; what runs on the device goes on there."""
    await services.rdp.end(principal, session_id, address=peer)
    return OkAnswer()


def _authority(services: Services, host: str) -> str:
    """Where the caller reaches the Engine: as it was called, or as a setting says."""
    return urlsplit(services.settings.public_url).netloc or host or f"localhost:{services.settings.port}"


HANDLERS: list[HTTPRouteHandler] = [ask_for_rdp, list_rdp, end_rdp]
