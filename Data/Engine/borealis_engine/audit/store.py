"""SQL of the audit log: add and read. There is nothing else to do with it."""

import math
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from borealis_engine.audit.models import AuditEntry, AuditRow
from borealis_engine.audit.tables import audit_log
from borealis_engine.core.log import mask_secrets

MAX_TEXT: Final = 512
MAX_DETAIL_ITEMS: Final = 64
_MAX_WHOLE: Final = 2**53  # JSON has no larger whole numbers that every reader reads alike (RFC 7493)


def record(connection: Connection, entry: AuditEntry, now: float) -> int:
    """Write one entry in the caller's transaction, and give its id.

    Long texts are cut, and values whose names speak of secrets are masked (threats 7).
    """
    result = connection.execute(
        insert(audit_log).values(
            at=now,
            actor=_cut(entry.actor),
            action=_cut(entry.action),
            target_kind=_cut(entry.target_kind),
            target=_cut(entry.target),
            detail=_clean(entry.detail),
            address=_cut(entry.address),
            site_id=entry.site_id,
        )
    )
    key = result.inserted_primary_key
    return int(key[0]) if key is not None else 0


def page(
    connection: Connection,
    *,
    before_id: int | None,
    limit: int,
    actor: str | None,
    target: str | None,
    action: str | None,
    since: float | None,
    until: float | None,
    sites: frozenset[int] | None,
) -> list[AuditRow]:
    """Entries, newest first, older than ``before_id``; ``action`` matches whole or as ``prefix.``."""
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(audit_log.c.id < before_id)
    if actor is not None:
        query = query.where(audit_log.c.actor == actor)
    if target is not None:
        query = query.where(audit_log.c.target == target)
    if action is not None:
        if action.endswith("."):
            query = query.where(audit_log.c.action.startswith(action, autoescape=True))
        else:
            query = query.where(audit_log.c.action == action)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if sites is not None:
        query = query.where(audit_log.c.site_id.in_(sorted(sites)))
    return [AuditRow(**row._mapping) for row in connection.execute(query)]


def _cut(text: str) -> str:
    safe = text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return safe if len(safe) <= MAX_TEXT else safe[: MAX_TEXT - 1] + "…"


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _MAX_WHOLE):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth < 4 and isinstance(value, dict):
        items = {_cut(str(name)): _clean(item, depth + 1) for name, item in list(value.items())[:MAX_DETAIL_ITEMS]}
        return dict(mask_secrets(None, "", items))
    if depth < 4 and isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth + 1) for item in list(value)[:MAX_DETAIL_ITEMS]]
    return _cut(str(value))
