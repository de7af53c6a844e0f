"""REST door: the audit log. There is nothing here that changes it."""

from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from borealis_engine.api.access import operator
from borealis_engine.api.services import Services
from borealis_engine.audit import AuditRow
from borealis_engine.audit.service import MAX_PAGE
from borealis_engine.operators.permissions import Permission, Principal

MAX_TIME: Final = 253402300799
"""The last second of the year 9999."""


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to which thing, when (``at``, Unix seconds) and from where; ``id`` grows."""

    id: int
    at: float
    actor: str
    action: str
    target_kind: str
    target: str
    detail: dict[str, Any]
    address: str
    site_id: int | None


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first; ``next`` is the ``before_id`` of the next page, null at the end."""

    entries: list[AuditView]
    next: int | None


@get("/api/audit", opt=operator(Permission.AUDIT_READ), tags=["audit"])
async def list_audit(
    services: Services,
    principal: Principal,
    *,
    before_id: Annotated[int | None, Parameter(ge=1, le=2**62, description="Only older entries than this.")] = None,
    limit: Annotated[int, Parameter(ge=1, le=MAX_PAGE)] = 100,
    actor: Annotated[str, Parameter(max_length=512, description="Exactly this actor.")] = "",
    target: Annotated[str, Parameter(max_length=512, description="Exactly this target.")] = "",
    action: Annotated[
        str, Parameter(max_length=512, description="Exactly this action, or a prefix that ends in a dot (`user.`).")
    ] = "",
    since: Annotated[float | None, Parameter(ge=0, le=MAX_TIME, description="Of then or later.")] = None,
    until: Annotated[float | None, Parameter(ge=0, le=MAX_TIME, description="Of before then.")] = None,
) -> AuditPage:
    """Who did what. An Admin who is limited to sites sees the entries of those sites."""
    rows = await services.audit.list(
        before_id=before_id,
        limit=limit,
        actor=actor or None,
        target=target or None,
        action=action or None,
        since=since,
        until=until,
        sites=principal.sites,
    )
    return AuditPage([_view(row) for row in rows], rows[-1].id if len(rows) == limit else None)


def _view(row: AuditRow) -> AuditView:
    return AuditView(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        target_kind=row.target_kind,
        target=row.target,
        detail=row.detail,
        address=row.address,
        site_id=row.site_id,
    )


HANDLERS: list[HTTPRouteHandler] = [list_audit]
