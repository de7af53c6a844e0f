"""SQL of what operators sign in with: sessions, personal tokens, recovery codes."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from borealis_engine.operators.models import SessionRow, TokenRow
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.operators.tables import operator_sessions, personal_tokens, recovery_codes


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session by its token."""

    id: str
    user_id: int
    last_seen_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A personal token by its hash."""

    row: TokenRow
    user_id: int


def is_valid(connection: Connection, principal: Principal, *, now: float, idle: float) -> bool:
    """Whether a principal's session or personal token is there still, and has not expired; by its id."""
    table = operator_sessions if principal.via == "session" else personal_tokens
    query = select(table.c.id).where(
        table.c.id == principal.credential_id, table.c.user_id == principal.operator_id, table.c.expires_at > now
    )
    if principal.via == "session":
        query = query.where(operator_sessions.c.last_seen_at > now - idle)
    return connection.execute(query).first() is not None


def add_session(connection: Connection, *, row: SessionRow, user_id: int, token_hash: str) -> None:
    """Open a session."""
    connection.execute(
        insert(operator_sessions).values(
            id=row.id,
            token_hash=token_hash,
            user_id=user_id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
        )
    )


def find_session(connection: Connection, token_hash: str) -> FoundSession | None:
    """The session of a token, expired or not."""
    columns = operator_sessions.c
    row = connection.execute(
        select(columns.id, columns.user_id, columns.last_seen_at, columns.expires_at).where(
            columns.token_hash == token_hash
        )
    ).first()
    return None if row is None else FoundSession(*row)


def touch_session(connection: Connection, session_id: str, now: float) -> None:
    """The session was used."""
    connection.execute(update(operator_sessions).where(operator_sessions.c.id == session_id).values(last_seen_at=now))


def list_sessions(connection: Connection, user_id: int, *, now: float, idle: float) -> list[SessionRow]:
    """Sessions of an operator that are still valid, newest use first."""
    columns = operator_sessions.c
    rows = connection.execute(
        select(
            columns.id,
            columns.created_at,
            columns.last_seen_at,
            columns.expires_at,
            columns.address,
            columns.user_agent,
        )
        .where(columns.user_id == user_id, columns.expires_at > now, columns.last_seen_at > now - idle)
        .order_by(columns.last_seen_at.desc())
    )
    return [SessionRow(*row) for row in rows]


def end_session(connection: Connection, user_id: int, session_id: str) -> bool:
    """End one session of an operator; False if there is none such."""
    result = connection.execute(
        delete(operator_sessions).where(operator_sessions.c.id == session_id, operator_sessions.c.user_id == user_id)
    )
    return result.rowcount == 1


def end_sessions(connection: Connection, user_id: int, *, but: str = "") -> int:
    """End all sessions of an operator, except ``but``."""
    result = connection.execute(
        delete(operator_sessions).where(operator_sessions.c.user_id == user_id, operator_sessions.c.id != but)
    )
    return int(result.rowcount)


def prune(connection: Connection, *, now: float, idle: float) -> int:
    """Remove what has expired; gives how many rows."""
    gone = connection.execute(
        delete(operator_sessions).where(
            (operator_sessions.c.expires_at <= now) | (operator_sessions.c.last_seen_at <= now - idle)
        )
    ).rowcount
    gone += connection.execute(delete(personal_tokens).where(personal_tokens.c.expires_at <= now)).rowcount
    return int(gone)


def add_token(connection: Connection, *, row: TokenRow, user_id: int, token_hash: str) -> None:
    """Keep a new personal token."""
    connection.execute(
        insert(personal_tokens).values(
            id=row.id,
            user_id=user_id,
            name=row.name,
            token_hash=token_hash,
            scopes=[scope.value for scope in row.scopes],
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
    )


def find_token(connection: Connection, token_hash: str) -> FoundToken | None:
    """The personal token of a hash, expired or not."""
    row = connection.execute(select(personal_tokens).where(personal_tokens.c.token_hash == token_hash)).first()
    return None if row is None else FoundToken(_token(row), int(row.user_id))


def list_tokens(connection: Connection, user_id: int) -> list[TokenRow]:
    """Personal tokens of an operator, newest first."""
    rows = connection.execute(
        select(personal_tokens)
        .where(personal_tokens.c.user_id == user_id)
        .order_by(personal_tokens.c.created_at.desc(), personal_tokens.c.id)
    )
    return [_token(row) for row in rows]


def count_tokens(connection: Connection, user_id: int) -> int:
    """How many an operator has."""
    query = select(func.count()).select_from(personal_tokens).where(personal_tokens.c.user_id == user_id)
    return int(connection.execute(query).scalar_one())


def touch_token(connection: Connection, token_id: str, now: float) -> None:
    """The token was used."""
    connection.execute(update(personal_tokens).where(personal_tokens.c.id == token_id).values(last_used_at=now))


def delete_token(connection: Connection, user_id: int, token_id: str) -> TokenRow | None:
    """End a personal token; gives what it was, None if there is none such."""
    condition = (personal_tokens.c.id == token_id) & (personal_tokens.c.user_id == user_id)
    row = connection.execute(select(personal_tokens).where(condition)).first()
    if row is None:
        return None
    connection.execute(delete(personal_tokens).where(condition))
    return _token(row)


def delete_tokens(connection: Connection, user_id: int) -> int:
    """End all personal tokens of an operator."""
    return int(connection.execute(delete(personal_tokens).where(personal_tokens.c.user_id == user_id)).rowcount)


def replace_recovery_codes(connection: Connection, user_id: int, hashes: list[str]) -> None:
    """New codes; the old ones end."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    for code_hash in hashes:
        connection.execute(insert(recovery_codes).values(user_id=user_id, code_hash=code_hash))


def use_recovery_code(connection: Connection, user_id: int, code_hash: str, now: float) -> bool:
    """Use a code up; False if it is none, or was used."""
    result = connection.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.code_hash == code_hash,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return result.rowcount == 1


def recovery_codes_left(connection: Connection, user_id: int) -> int:
    """How many codes an operator still has."""
    query = (
        select(func.count())
        .select_from(recovery_codes)
        .where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    )
    return int(connection.execute(query).scalar_one())


def _token(row: Row[Any]) -> TokenRow:
    # A scope that a later version took away must not stop the others from working.
    known = {permission.value for permission in Permission}
    scopes = tuple(Permission(text) for text in row.scopes if text in known)
    return TokenRow(
        id=row.id,
        name=row.name,
        scopes=scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
