"""REST door: forwards, which operators ask for here and carry by socket; who has which open, and ending one."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from borealis_engine.api.access import operator
from borealis_engine.api.errors import errors
from borealis_engine.api.operator_shapes import OkAnswer
from borealis_engine.api.services import Services
from borealis_engine.forwards import STREAM_PATH, OpenForward
from borealis_engine.operators.permissions import Permission, Principal

_Id = Annotated[str, Parameter(max_length=64)]
_Device = Annotated[str | None, QueryParameter(name="device", max_length=64, description="GUID of a device.")]


class ForwardRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to forward to: ``host`` and ``port`` as the device understands them. ``device``: GUID or agent id."""

    device: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


class ForwardTicket(msgspec.Struct, frozen=True):
    """A token for one WebSocket at ``path``, once. ``expires_at``: Unix seconds."""

    token: str
    path: str
    expires_at: float
    guid: str
    hostname: str


class ConnectionTicket(msgspec.Struct, frozen=True):
    """A token for one connection, on a WebSocket of its own at ``path``, once. ``expires_at``: Unix seconds."""

    token: str
    path: str
    expires_at: float


class ForwardList(msgspec.Struct, frozen=True):
    """Forwards that are open, oldest first."""

    forwards: list[OpenForward]


@post(
    "/api/forward/session",
    opt=operator(Permission.FORWARD),
    status_code=200,
    responses=errors(400, 404, 409, 429),
    tags=["forwards"],
)
async def ask_for_forward(services: Services, principal: Principal, data: ForwardRequest) -> ForwardTicket:
    """Ask for a forward. It begins when the WebSocket comes, and lasts as long as that."""
    record, token, until = services.forwards.ask(principal, data.device, data.host, data.port)
    return ForwardTicket(token, STREAM_PATH, until, record.guid, record.hostname)


@post(
    "/api/forward/sessions/{session_id:str}/connection",
    opt=operator(Permission.FORWARD),
    status_code=200,
    responses=errors(404, 429),
    tags=["forwards"],
)
async def ask_for_connection(services: Services, principal: Principal, session_id: _Id) -> ConnectionTicket:
    """Ask for one connection of one's own forward: the device makes it when the WebSocket comes."""
    token, until = services.forwards.connect(principal, session_id)
    return ConnectionTicket(token, STREAM_PATH, until)


@get("/api/forward/sessions", opt=operator(Permission.FORWARD), tags=["forwards"])
async def list_forwards(services: Services, principal: Principal, of_device: _Device = None) -> ForwardList:
    """Who forwards what, on the devices that one may see."""
    return ForwardList(services.forwards.listed(principal, of_device or ""))


@delete(
    "/api/forward/sessions/{session_id:str}",
    opt=operator(Permission.FORWARD),
    status_code=200,
    responses=errors(404),
    tags=["forwards"],
)
async def end_forward(services: Services, principal: Principal, peer: str, session_id: _Id) -> OkAnswer:
    """End a forward with its connections, whoever has it open. They are told who did."""
    await services.forwards.end(principal, session_id, address=peer)
    return OkAnswer()


HANDLERS: list[HTTPRouteHandler] = [ask_for_forward, ask_for_connection, list_forwards, end_forward]
