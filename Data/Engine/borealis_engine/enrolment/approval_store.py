"""SQL of approvals. Plain functions of a connection; transactions are the services'."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from borealis_engine.enrolment.models import DAY, ApprovalRow, ApprovalStatus, Challenge, Channel
from borealis_engine.enrolment.tables import approvals

KEPT_AFTER_END_SECONDS = 90 * DAY
OPEN = (ApprovalStatus.PENDING.value, ApprovalStatus.APPROVED.value)


def add(
    connection: Connection,
    *,
    reference: str,
    fingerprint: str,
    public_key_spki: bytes,
    challenge: Challenge,
    now: int,
    expires_at: int,
) -> None:
    """Make a pending row."""
    connection.execute(
        insert(approvals).values(
            approval_reference=reference,
            ssl_key_fingerprint_claimed=fingerprint,
            agent_pubkey_der=public_key_spki,
            status=ApprovalStatus.PENDING.value,
            channel=Channel.UNKNOWN.value,
            created_at=now,
            updated_at=now,
            expires_at=expires_at,
            **_current(challenge),
        )
    )


def by_reference(connection: Connection, reference: str) -> ApprovalRow | None:
    """A row by its reference."""
    return _one(connection, approvals.c.approval_reference == reference)


def by_id(connection: Connection, approval_id: int) -> ApprovalRow | None:
    """A row by its number."""
    return _one(connection, approvals.c.id == approval_id)


def newest_of_key(connection: Connection, fingerprint: str) -> ApprovalRow | None:
    """The newest row of a key, whatever its status."""
    row = connection.execute(
        select(approvals)
        .where(approvals.c.ssl_key_fingerprint_claimed == fingerprint)
        .order_by(approvals.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _row(row)


def count_open(connection: Connection) -> int:
    """How many are pending or approved and not finished."""
    return int(
        connection.execute(select(func.count()).select_from(approvals).where(approvals.c.status.in_(OPEN))).scalar_one()
    )


def pending_by_site(connection: Connection) -> list[tuple[int | None, int]]:
    """How many devices wait for a decision: site, number."""
    query = (
        select(approvals.c.site_id, func.count())
        .where(approvals.c.status == ApprovalStatus.PENDING.value)
        .group_by(approvals.c.site_id)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def listed(connection: Connection, status: str | None, sites: frozenset[int] | None, limit: int) -> list[ApprovalRow]:
    """Rows by creation time; ``status`` None for all, ``sites`` None for all."""
    query = select(approvals).order_by(approvals.c.created_at, approvals.c.id).limit(limit)
    if status is not None:
        query = query.where(approvals.c.status == status)
    if sites is not None:
        query = query.where(approvals.c.site_id.in_(sorted(sites)))
    return [_row(row) for row in connection.execute(query)]


def overdue(connection: Connection, now: int, limit: int) -> list[ApprovalRow]:
    """Open rows whose time is over."""
    query = (
        select(approvals)
        .where(approvals.c.status.in_(OPEN), approvals.c.expires_at <= now)
        .order_by(approvals.c.id)
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(query)]


def change(connection: Connection, approval_id: int, now: int, **values: Any) -> None:
    """Set columns of a row."""
    connection.execute(update(approvals).where(approvals.c.id == approval_id).values(updated_at=now, **values))


def set_other(connection: Connection, approval_id: int, challenge: Challenge | None) -> None:
    """Keep a second challenge; the current one stays as it is."""
    connection.execute(
        update(approvals)
        .where(approvals.c.id == approval_id)
        .values(other_challenge=None if challenge is None else asdict(challenge))
    )


def swap_challenges(
    connection: Connection, row: ApprovalRow, *, follow: bool, now: int, duplicate: bool = False, consumed: bool = False
) -> None:
    """Make the other challenge the current one.

    Args:
        follow: also show the hostname, site, code and address that came with it; False once it was approved,
            because an operator approved what they saw.
        duplicate: two machines answer in turn; the mark stays.
        consumed: tokens were given out for the one that was current.
    """
    assert row.other is not None
    values = (
        _current(row.other)
        if follow
        else {
            "client_nonce": row.other.client_nonce,
            "server_nonce": row.other.server_nonce,
        }
    )
    change(
        connection,
        row.id,
        now,
        **values,
        # Marked as proven even if it never was: should it answer after this, then its owner is a second one.
        other_challenge={**asdict(row.current), "proven": True, "consumed": consumed},
        duplicate_identity=row.duplicate_identity or duplicate,
    )


def prune(connection: Connection, now: int) -> int:
    """Delete rows that ended 90 days ago; how many."""
    return connection.execute(
        delete(approvals).where(approvals.c.status.not_in(OPEN), approvals.c.updated_at < now - KEPT_AFTER_END_SECONDS)
    ).rowcount


def _current(challenge: Challenge) -> dict[str, Any]:
    return {
        "client_nonce": challenge.client_nonce,
        "server_nonce": challenge.server_nonce,
        "hostname_claimed": challenge.hostname,
        "enrollment_code_id": challenge.code_id,
        "site_id": challenge.site_id,
        "peer_address": challenge.peer_address,
    }


def _one(connection: Connection, condition: Any) -> ApprovalRow | None:
    row = connection.execute(select(approvals).where(condition)).one_or_none()
    return None if row is None else _row(row)


def _row(row: Row[Any]) -> ApprovalRow:
    other = row.other_challenge
    return ApprovalRow(
        id=row.id,
        reference=row.approval_reference,
        guid=row.guid,
        fingerprint=row.ssl_key_fingerprint_claimed,
        public_key_spki=bytes(row.agent_pubkey_der),
        status=ApprovalStatus(row.status),
        channel=Channel(row.channel),
        accept_unbound=bool(row.accept_unbound),
        duplicate_identity=bool(row.duplicate_identity),
        current=Challenge(
            row.client_nonce,
            row.server_nonce,
            row.hostname_claimed,
            row.enrollment_code_id,
            row.site_id,
            row.peer_address,
            proven=row.channel != Channel.UNKNOWN.value,
        ),
        other=None if other is None else Challenge(**other),
        conflict_resolution=row.conflict_resolution,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        refresh_family=row.refresh_family,
        approved_by_user_id=row.approved_by_user_id,
        approved_by_username=row.approved_by_username,
    )
