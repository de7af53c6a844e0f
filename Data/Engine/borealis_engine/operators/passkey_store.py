"""SQL of passkeys. Plain functions of a connection; the service decides."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.operators.models import PasskeyRow
from borealis_engine.operators.passkey_ceremony import NewPasskey
from borealis_engine.operators.tables import user_passkeys


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """A passkey with what signing in is checked by."""

    row: PasskeyRow
    user_id: int
    credential_id: str
    public_key: bytes
    sign_count: int


def add(connection: Connection, *, row: PasskeyRow, user_id: int, made: NewPasskey) -> None:
    """Keep a passkey.

    Raises:
        Conflict: ``passkey_exists``.
    """
    try:
        connection.execute(
            insert(user_passkeys).values(
                id=row.id,
                user_id=user_id,
                credential_id=made.credential_id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                name=row.name,
                aaguid=row.aaguid,
                backed_up=row.backed_up,
                created_at=row.created_at,
            )
        )
    except IntegrityError as error:
        raise Conflict("passkey_exists", "This passkey is known already.") from error


def listed(connection: Connection, user_id: int) -> list[StoredPasskey]:
    """The passkeys of an account, oldest first."""
    query = select(user_passkeys).where(user_passkeys.c.user_id == user_id)
    return [_stored(row) for row in connection.execute(query.order_by(user_passkeys.c.created_at, user_passkeys.c.id))]


def find(connection: Connection, credential_id: str) -> StoredPasskey | None:
    """The passkey with this credential id."""
    row = connection.execute(select(user_passkeys).where(user_passkeys.c.credential_id == credential_id)).first()
    return None if row is None else _stored(row)


def use(connection: Connection, found: StoredPasskey, sign_count: int, now: float) -> bool:
    """Note a sign-in; False where the counter moved since it was looked at, or the passkey is gone."""
    result = connection.execute(
        update(user_passkeys)
        .where(user_passkeys.c.id == found.row.id, user_passkeys.c.sign_count == found.sign_count)
        .values(sign_count=sign_count, last_used_at=now)
    )
    return result.rowcount == 1


def rename(connection: Connection, user_id: int, passkey_id: str, name: str) -> PasskeyRow:
    """Call a passkey something else.

    Raises:
        NotFound: ``passkey_not_found``.
    """
    mine = (user_passkeys.c.id == passkey_id) & (user_passkeys.c.user_id == user_id)
    connection.execute(update(user_passkeys).where(mine).values(name=name))
    row = connection.execute(select(user_passkeys).where(mine)).first()
    if row is None:
        raise _not_found()
    return _stored(row).row


def remove(connection: Connection, user_id: int, passkey_id: str) -> PasskeyRow:
    """Delete a passkey of an account; gives what it was.

    Raises:
        NotFound: ``passkey_not_found``.
    """
    mine = (user_passkeys.c.id == passkey_id) & (user_passkeys.c.user_id == user_id)
    row = connection.execute(select(user_passkeys).where(mine)).first()
    if row is None:
        raise _not_found()
    connection.execute(delete(user_passkeys).where(mine))
    return _stored(row).row


def remove_all(connection: Connection, user_id: int) -> int:
    """Delete all passkeys of an account; gives how many."""
    return int(connection.execute(delete(user_passkeys).where(user_passkeys.c.user_id == user_id)).rowcount)


def _not_found() -> NotFound:
    return NotFound("passkey_not_found", "You have no such passkey.")


def _stored(row: Row[Any]) -> StoredPasskey:
    return StoredPasskey(
        row=PasskeyRow(row.id, row.name, row.created_at, row.last_used_at, row.backed_up, row.aaguid),
        user_id=row.user_id,
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
    )
