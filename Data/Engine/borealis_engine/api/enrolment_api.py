"""REST door: devices that ask to be let in and renew their tokens; operators who hand out codes and decide.

The three routes of devices are public: whoever calls has no token yet, or one that has expired. Times are Unix
seconds.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, Parameter

from borealis_engine.api.access import body_limit, operator, public
from borealis_engine.api.enrolment_views import (
    MAX_ID,
    ApprovalList,
    Approved,
    ApproveRequest,
    CodeList,
    CodeRequest,
    Done,
    NewCode,
    approval_item,
    code_view,
)
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment import Resolution, UnknownReference, context_of
from borealis_engine.operators.permissions import Permission, Principal
from borealis_wire.events import HEADER_CONTEXT, HEADER_DPOP, Rest
from borealis_wire.limits import MAX_ENROL_BODY_BYTES
from borealis_wire.messages import (
    EnrolApproved,
    EnrolPending,
    EnrolPoll,
    EnrolRequest,
    EnrolStatus,
    TokenRefreshed,
    TokenRefreshRequest,
)

_Id = Annotated[int, Parameter(ge=1, le=MAX_ID)]
_Reference = Annotated[str, Parameter(max_length=64, description="approval_reference, or the approval's number.")]
_Context = Annotated[
    str | None, HeaderParameter(name=HEADER_CONTEXT, max_length=256, description="SYSTEM or CURRENTUSER.")
]
_Dpop = Annotated[
    str | None, HeaderParameter(name=HEADER_DPOP, max_length=8192, description="Proof of possession (RFC 9449).")
]


class UnknownReferenceBody(msgspec.Struct, frozen=True):
    """The usual error, with the ``status`` that upstream's agents look for."""

    error: str
    detail: str
    status: Literal["unknown"] = "unknown"


def _on_unknown(_: Request[Any, Any, Any], error: UnknownReference) -> Response[UnknownReferenceBody]:
    body = UnknownReferenceBody(error.code, error.detail)
    return Response(body, status_code=error.status, media_type="application/json")


@post(
    Rest.ENROLL_REQUEST,
    opt={
        **public("a machine that asks to be let in has no token yet; it needs an enrolment code, and is rate-limited"),
        **body_limit(MAX_ENROL_BODY_BYTES),
    },
    status_code=200,
    responses=errors(429),
    tags=["enrolment"],
)
async def enroll_request(services: Services, peer: str, data: EnrolRequest) -> EnrolPending:
    """Ask to be let in. The answer holds a challenge for the polls that follow."""
    return await services.enrolment.request(data, peer)


@post(
    Rest.ENROLL_POLL,
    opt={
        **public("a machine that waits has no token yet; it proves its key with each poll, and is rate-limited"),
        **body_limit(MAX_ENROL_BODY_BYTES),
    },
    status_code=200,
    responses=errors(404, 409, 429),
    exception_handlers={UnknownReference: _on_unknown},
    tags=["enrolment"],
)
async def enroll_poll(
    services: Services, peer: str, data: EnrolPoll, agent_context: _Context = None
) -> EnrolStatus | EnrolApproved:
    """Ask how it stands. Brings tokens once an operator has agreed."""
    return await services.enrolment.poll(data, peer, context_of(agent_context))


@post(
    Rest.TOKEN_REFRESH,
    opt={
        **public("the access token has expired; the refresh token and a proof of the device's key stand in for it"),
        **body_limit(MAX_ENROL_BODY_BYTES),
    },
    status_code=200,
    responses=errors(401, 404, 429),
    tags=["enrolment"],
)
async def token_refresh(
    request: Request[Any, Any, Any],
    services: Services,
    peer: str,
    data: TokenRefreshRequest,
    *,
    agent_context: _Context = None,
    dpop: _Dpop = None,
) -> TokenRefreshed:
    """Renew the access token. Each refresh token has a successor; use the newest one."""
    if len(request.headers.getall(HEADER_DPOP, [])) > 1:
        raise Invalid("dpop_invalid", "The proof of possession was refused: there is more than one.")
    urls = services.enrolment.refresh_urls(request.headers.get("host", ""))
    return await services.enrolment.refresh(data, dpop, urls, peer, context_of(agent_context))


@post(
    "/api/admin/enrollment-codes",
    opt=operator(Permission.ENROLMENT_DECIDE),
    status_code=201,
    responses=errors(404),
    tags=["enrolment"],
)
async def create_code(services: Services, principal: Principal, peer: str, data: CodeRequest) -> NewCode:
    """Make an enrolment code. It is shown this once."""
    issued = await services.enrolment.create_code(
        principal,
        ttl_hours=data.ttl_hours,
        expires_in_seconds=data.expires_in_seconds,
        max_uses=data.max_uses if data.max_uses is not None else data.allowed_uses,
        site_id=data.site_id,
        site=data.site.strip(),
        address=peer,
    )
    row = issued.row
    return NewCode(
        id=row.id,
        code=issued.code,
        token=issued.token,
        expires_at=row.expires_at,
        max_uses=row.max_uses,
        use_count=row.use_count,
        last_used_at=row.last_used_at,
        site_id=row.site_id,
    )


@get("/api/admin/enrollment-codes", opt=operator(Permission.ENROLMENT_READ), tags=["enrolment"])
async def list_codes(
    services: Services,
    principal: Principal,
    status: Annotated[str, Parameter(max_length=16, description="active, expired or used.")] = "",
) -> CodeList:
    """Codes of the sites that the operator may see, oldest first."""
    rows = await services.enrolment.list_codes(principal, status=status)
    now = services.clock.now()
    return CodeList([code_view(row, now) for row in rows])


@delete(
    "/api/admin/enrollment-codes/{code_id:int}",
    opt=operator(Permission.ENROLMENT_DECIDE),
    status_code=200,
    responses=errors(404),
    tags=["enrolment"],
)
async def delete_code(services: Services, principal: Principal, peer: str, code_id: _Id) -> Done:
    """Delete a code: it lets nobody ask any more. Devices that asked with it stay."""
    await services.enrolment.delete_code(principal, code_id, address=peer)
    return Done("deleted")


@get("/api/admin/device-approvals", opt=operator(Permission.ENROLMENT_READ), tags=["enrolment"])
async def list_approvals(
    services: Services,
    principal: Principal,
    status: Annotated[str, Parameter(max_length=16, description="A status or all; pending unless said.")] = "",
) -> ApprovalList:
    """Devices that wait for a decision, or waited for one; at most 1000."""
    views = await services.enrolment.list_approvals(principal, status=status)
    return ApprovalList([approval_item(view) for view in views])


@post(
    "/api/admin/device-approvals/{reference:str}/approve",
    opt=operator(Permission.ENROLMENT_DECIDE),
    status_code=200,
    responses=errors(404, 409),
    tags=["enrolment"],
)
async def approve(
    services: Services, principal: Principal, peer: str, reference: _Reference, data: ApproveRequest
) -> Approved:
    """Let a device in. Where it is known already, say what to do about that."""
    row = await services.enrolment.approve(
        principal,
        reference,
        guid=data.guid,
        resolution=None if data.conflict_resolution is None else Resolution(data.conflict_resolution),
        accept_unbound=data.accept_unbound,
        address=peer,
    )
    return Approved("approved", row.conflict_resolution)


@post(
    "/api/admin/device-approvals/{reference:str}/deny",
    opt=operator(Permission.ENROLMENT_DECIDE),
    status_code=200,
    responses=errors(404, 409),
    tags=["enrolment"],
)
async def deny(services: Services, principal: Principal, peer: str, reference: _Reference) -> Done:
    """Refuse a device. It may ask again."""
    await services.enrolment.deny(principal, reference, address=peer)
    return Done("denied")


HANDLERS: list[HTTPRouteHandler] = [
    enroll_request,
    enroll_poll,
    token_refresh,
    create_code,
    list_codes,
    delete_code,
    list_approvals,
    approve,
    deny,
]
