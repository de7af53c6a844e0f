"""Refresh tokens: families, rotation, theft (contract 3). SQL and rules; transactions are the service's.

Each use of a token makes a successor, its child. A token may be used again as long as none of its children was
used: its answer may have been lost. The first use of a child supersedes its parent and its siblings; from then on
a superseded token proves that two parties hold the chain, and the whole family is revoked. Several unused
children may exist, so that an answer that comes late does no harm; only one of them can ever be continued.
The proofs (DPoP ``jti``) are remembered on the rows they made: a replay is found after a restart too.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from borealis_engine.core.ids import Randomness
from borealis_engine.enrolment.dpop import SKEW_SECONDS, DpopProof
from borealis_engine.enrolment.models import DAY
from borealis_engine.enrolment.tables import refresh_tokens
from borealis_wire.limits import REFRESH_TOKEN_SECONDS

TOKEN_BYTES: Final = 48
MAX_UNUSED_CHILDREN: Final = 8
SUPERSEDED_KEPT_SECONDS: Final = DAY
"""Later use of a pruned token is still found: an unknown token with a proof by the device's own key."""
_PROOFS_KEPT_SECONDS: Final = 2 * SKEW_SECONDS + 60


class Verdict(StrEnum):
    """What the state of a token allows."""

    ROTATED = "rotated"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    REUSED = "reused"
    REPLAYED = "replayed"
    PROOF_MISSING = "proof_missing"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One refresh token as kept. Times in Unix seconds; ``dpop_jkt`` set where a proof is required."""

    id: int
    guid: str
    family: str
    parent_id: int | None
    dpop_jkt: str | None
    created_at: int
    expires_at: int
    last_used_at: int | None
    superseded_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """What happened to a presented token; ``token`` is the successor where there is one."""

    verdict: Verdict
    token: str = ""
    family: str = ""


def hash_token(token: str) -> str:
    """Hex SHA-256 of a token as it is kept; 384 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def judge(row: TokenRow | None, now: int) -> Verdict:
    """What a token's row says about presenting it now. Pure."""
    if row is None:
        return Verdict.UNKNOWN
    if row.revoked_at is not None:
        return Verdict.REVOKED
    if row.superseded_at is not None:
        return Verdict.REUSED
    return Verdict.EXPIRED if row.expires_at <= now else Verdict.ROTATED


def find(connection: Connection, guid: str, token: str) -> TokenRow | None:
    """The row of a token, if it is this device's. The look-up is by hash: its time tells nothing about the token."""
    row = connection.execute(
        select(refresh_tokens).where(refresh_tokens.c.token_hash == hash_token(token), refresh_tokens.c.guid == guid)
    ).one_or_none()
    return None if row is None else _row(row)


def start_family(
    connection: Connection, guid: str, *, jkt: str, proof_required: bool, now: int, randomness: Randomness
) -> Rotation:
    """The first token after an enrolment. All earlier tokens of the device end.

    Args:
        jkt: thumbprint of the device's key.
        proof_required: the device is known to send proofs; else it is so if it ever sent one.
    """
    seen = connection.execute(
        select(refresh_tokens.c.id)
        .where(refresh_tokens.c.guid == guid, refresh_tokens.c.dpop_jkt.is_not(None))
        .limit(1)
    ).one_or_none()
    revoke_device(connection, guid, now)
    family = randomness.uuid()
    bound = jkt if proof_required or seen is not None else None
    return _child(connection, None, guid, family, dpop_jkt=bound, proof_id=None, now=now, randomness=randomness)


def rotate(
    connection: Connection, guid: str, token: str, *, proof: DpopProof | None, now: int, randomness: Randomness
) -> Rotation:
    """Present a token: a successor, or the reason why not; a reused token revokes its family here and now.

    The caller has checked the proof itself. Nothing is raised, because a revocation has to be committed.
    An unknown token is told as ``UNKNOWN`` and changes nothing.
    """
    row = find(connection, guid, token)
    verdict = judge(row, now)
    if row is None or verdict in (Verdict.REVOKED, Verdict.EXPIRED):
        return Rotation(verdict)
    if row.dpop_jkt is not None and proof is None:
        return Rotation(Verdict.PROOF_MISSING)
    if proof is not None and proof_was_seen(connection, guid, proof):
        return Rotation(Verdict.REPLAYED)
    if verdict is Verdict.REUSED:
        revoke_family(connection, row.family, now)
        return Rotation(verdict, family=row.family)
    if row.last_used_at is None and row.parent_id is not None:
        connection.execute(
            update(refresh_tokens)
            .where(
                or_(refresh_tokens.c.id == row.parent_id, refresh_tokens.c.parent_id == row.parent_id),
                refresh_tokens.c.id != row.id,
                refresh_tokens.c.superseded_at.is_(None),
            )
            .values(superseded_at=now)
        )
    connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.id == row.id)
        .values(last_used_at=now, expires_at=now + REFRESH_TOKEN_SECONDS)
    )
    _drop_surplus(connection, row.id, now)
    return _child(
        connection,
        row.id,
        guid,
        row.family,
        dpop_jkt=proof.jkt if proof is not None else row.dpop_jkt,
        proof_id=None if proof is None else proof.proof_id,
        now=now,
        randomness=randomness,
    )


def proof_was_seen(connection: Connection, guid: str, proof: DpopProof) -> bool:
    """Whether a device's proof made a token before: it is a replay."""
    query = select(refresh_tokens.c.id).where(
        refresh_tokens.c.guid == guid, refresh_tokens.c.proof_id == proof.proof_id
    )
    return connection.execute(query.limit(1)).one_or_none() is not None


def family_is_unused(connection: Connection, family: str) -> bool:
    """Whether no token of a family was ever presented, nor revoked."""
    rows = connection.execute(
        select(refresh_tokens.c.last_used_at, refresh_tokens.c.revoked_at).where(refresh_tokens.c.family == family)
    ).all()
    return bool(rows) and all(row.last_used_at is None and row.revoked_at is None for row in rows)


def revoke_family(connection: Connection, family: str, now: int) -> int:
    """End every token of a family; how many ended."""
    return connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.family == family, refresh_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    ).rowcount


def revoke_device(connection: Connection, guid: str, now: int) -> int:
    """End every token of a device; how many ended."""
    return connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.guid == guid, refresh_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    ).rowcount


def prune(connection: Connection, now: int) -> int:
    """Delete what can no longer be used nor tell a theft that is not found otherwise; how many."""
    return connection.execute(
        delete(refresh_tokens).where(
            or_(
                refresh_tokens.c.expires_at < now - _PROOFS_KEPT_SECONDS,
                refresh_tokens.c.superseded_at < now - SUPERSEDED_KEPT_SECONDS,
            )
        )
    ).rowcount


def _child(
    connection: Connection,
    parent_id: int | None,
    guid: str,
    family: str,
    *,
    dpop_jkt: str | None,
    proof_id: str | None,
    now: int,
    randomness: Randomness,
) -> Rotation:
    token = randomness.token_urlsafe(TOKEN_BYTES)
    connection.execute(
        insert(refresh_tokens).values(
            guid=guid,
            family=family,
            parent_id=parent_id,
            token_hash=hash_token(token),
            dpop_jkt=dpop_jkt,
            proof_id=proof_id,
            created_at=now,
            expires_at=now + REFRESH_TOKEN_SECONDS,
        )
    )
    return Rotation(Verdict.ROTATED, token, family)


def _drop_surplus(connection: Connection, parent_id: int, now: int) -> None:
    # An upstream agent never takes up its successor, so its one token would gather children without end.
    unused = connection.execute(
        select(refresh_tokens.c.id, refresh_tokens.c.created_at)
        .where(refresh_tokens.c.parent_id == parent_id, refresh_tokens.c.last_used_at.is_(None))
        .order_by(refresh_tokens.c.id.desc())
        .offset(MAX_UNUSED_CHILDREN)
    ).all()
    surplus = [row.id for row in unused if row.created_at < now - _PROOFS_KEPT_SECONDS]
    if surplus:
        connection.execute(delete(refresh_tokens).where(refresh_tokens.c.id.in_(surplus)))


def _row(row: Row[Any]) -> TokenRow:
    return TokenRow(
        row.id,
        row.guid,
        row.family,
        row.parent_id,
        row.dpop_jkt,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.superseded_at,
        row.revoked_at,
    )
