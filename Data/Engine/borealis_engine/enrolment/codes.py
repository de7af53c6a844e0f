"""Install codes: what an operator hands out so that a device may ask to be let in.

A code is 16 random bytes, shown once; at rest there are its SHA-256 and first group (threats 7). A **use** is
taken when a device asks and its approval row is made, in the same transaction: so N devices cannot go beyond
``max_uses`` by asking at once. An approval that is denied, or expires unfinished, gives its use back; one that
completes keeps it. A request that re-uses a device's open row takes no further use.
Pure rules and SQL; transactions are the service's.
"""

import hashlib
from typing import Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from borealis_engine.core.errors import Invalid
from borealis_engine.core.ids import Randomness
from borealis_engine.enrolment.models import DAY, CodeRow
from borealis_engine.enrolment.tables import install_codes
from borealis_wire.enrolment_token import normalise_code

DEFAULT_TTL_SECONDS: Final = 3600
MIN_TTL_SECONDS: Final = 300
MAX_TTL_SECONDS: Final = 90 * DAY
DEFAULT_MAX_USES: Final = 2
MAX_MAX_USES: Final = 10_000
KEPT_AFTER_EXPIRY_SECONDS: Final = 30 * DAY
MAX_CODES: Final = 10_000


def make_code(randomness: Randomness) -> str:
    """A new code: 16 random bytes as 8 groups of 4 upper-case hex digits (contract 2)."""
    digits = randomness.token_bytes(16).hex().upper()
    return "-".join(digits[start : start + 4] for start in range(0, 32, 4))


def hash_code(code: str) -> str:
    """Hex SHA-256 of a code as it is kept. 128 random bits need no salt and no slow hash."""
    return hashlib.sha256(code.encode("ascii")).hexdigest()


def lifetime(ttl_hours: float | None, expires_in_seconds: int | None) -> int:
    """Seconds that a code lives; one hour unless said.

    Upstream allows 1, 3, 6, 12 and 24 hours; any time from 5 minutes to 90 days is allowed here.

    Raises:
        Invalid: ``invalid_ttl``.
    """
    if ttl_hours is not None and expires_in_seconds is not None:
        raise Invalid("invalid_ttl", "Give either ttl_hours or expires_in_seconds, not both.")
    seconds = expires_in_seconds if expires_in_seconds is not None else DEFAULT_TTL_SECONDS
    if ttl_hours is not None:
        seconds = int(ttl_hours * 3600) if 0 < ttl_hours <= MAX_TTL_SECONDS / 3600 else 0
    if not MIN_TTL_SECONDS <= seconds <= MAX_TTL_SECONDS:
        raise Invalid("invalid_ttl", "A code lives from 5 minutes to 90 days.")
    return seconds


def allowed_uses(max_uses: int | None) -> int:
    """How many devices may use a code; 2 unless said, as upstream.

    Raises:
        Invalid: ``invalid_max_uses``. (Upstream silently clamps to 1..10.)
    """
    uses = DEFAULT_MAX_USES if max_uses is None else max_uses
    if not 1 <= uses <= MAX_MAX_USES:
        raise Invalid("invalid_max_uses", f"A code can be used by 1 to {MAX_MAX_USES} devices.")
    return uses


def add(
    connection: Connection,
    code: str,
    *,
    site_id: int | None,
    max_uses: int,
    now: int,
    expires_at: int,
    user_id: int | None,
    username: str,
) -> CodeRow:
    """Keep a new code.

    Raises:
        Invalid: ``too_many_codes``.
    """
    if len(connection.execute(select(install_codes.c.id).limit(MAX_CODES)).all()) >= MAX_CODES:
        raise Invalid("too_many_codes", f"There are {MAX_CODES} codes already. Delete some first.")
    key = connection.execute(
        insert(install_codes).values(
            code_hash=hash_code(code),
            code_prefix=code[:4],
            site_id=site_id,
            created_at=now,
            expires_at=expires_at,
            created_by_user_id=user_id,
            created_by_username=username,
            max_uses=max_uses,
            use_count=0,
        )
    ).inserted_primary_key
    assert key is not None
    row = get(connection, int(key[0]))
    assert row is not None
    return row


def get(connection: Connection, code_id: int) -> CodeRow | None:
    """A code by its id."""
    row = connection.execute(select(install_codes).where(install_codes.c.id == code_id)).one_or_none()
    return None if row is None else _row(row)


def find(connection: Connection, text: str, now: int) -> CodeRow:
    """The code that a device sent, if it is known and has not expired; uses are not looked at.

    Raises:
        Invalid: ``invalid_enrollment_code``, the same for a malformed, an unknown and an expired one.
    """
    refused = Invalid(
        "invalid_enrollment_code",
        "The enrolment code is not known or has expired. Ask an operator for a new one.",
    )
    try:
        wanted = hash_code(normalise_code(text))
    except ValueError as error:
        raise refused from error
    row = connection.execute(select(install_codes).where(install_codes.c.code_hash == wanted)).one_or_none()
    if row is None or row.expires_at <= now:
        raise refused
    return _row(row)


def take_use(connection: Connection, code_id: int, now: int) -> bool:
    """Count one use, unless there is none left; whether it was taken."""
    taken = connection.execute(
        update(install_codes)
        .where(install_codes.c.id == code_id, install_codes.c.use_count < install_codes.c.max_uses)
        .values(use_count=install_codes.c.use_count + 1, last_used_at=now)
    )
    return taken.rowcount == 1


def give_back(connection: Connection, code_id: int | None) -> None:
    """Undo one use; nothing happens where the code is gone."""
    if code_id is not None:
        connection.execute(
            update(install_codes)
            .where(install_codes.c.id == code_id, install_codes.c.use_count > 0)
            .values(use_count=install_codes.c.use_count - 1)
        )


def mark_completed(connection: Connection, code_id: int | None, guid: str, now: int) -> None:
    """Note on the code which device it last let in."""
    if code_id is not None:
        connection.execute(
            update(install_codes).where(install_codes.c.id == code_id).values(used_at=now, used_by_guid=guid)
        )


def every(connection: Connection) -> list[CodeRow]:
    """All codes, oldest first."""
    return [_row(row) for row in connection.execute(select(install_codes).order_by(install_codes.c.id))]


def remove(connection: Connection, code_id: int) -> None:
    """Delete a code: it lets nobody ask any more. Approvals it led to stay."""
    connection.execute(delete(install_codes).where(install_codes.c.id == code_id))


def prune(connection: Connection, now: int) -> int:
    """Delete codes that expired 30 days ago; how many."""
    return connection.execute(
        delete(install_codes).where(install_codes.c.expires_at < now - KEPT_AFTER_EXPIRY_SECONDS)
    ).rowcount


def _row(row: Row[tuple[object, ...]]) -> CodeRow:
    values = dict(row._mapping)
    values.pop("code_hash")
    return CodeRow(**values)
