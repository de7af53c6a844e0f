"""SQL of operators: accounts and their sites. Plain functions of a connection; services decide."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, text, update

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.operators.models import Account
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.operators.tables import setup_links, setup_state, user_site_assignments, users


@dataclass(frozen=True, slots=True)
class StoredUser:
    """An account with what only this room may see."""

    account: Account
    password_hash: str
    totp_sealed: str | None
    totp_pending_sealed: str | None
    totp_last_step: int

    def principal(self, **how: Any) -> Principal:
        """The principal of this account; ``how`` names scopes, via and credential_id."""
        account = self.account
        return Principal(account.id, account.username, account.role, account.sites, **how)


def username_key(username: str) -> str:
    """The form in which user names are compared: case does not tell people apart."""
    return username.casefold()


def find_user(connection: Connection, username: str) -> StoredUser | None:
    """The account of that name, however it is capitalised."""
    return _one(connection, users.c.username_key == username_key(username))


def get_user(connection: Connection, user_id: int) -> StoredUser | None:
    """The account with that id."""
    return _one(connection, users.c.id == user_id)


def require_user(connection: Connection, username: str) -> StoredUser:
    """The account of that name.

    Raises:
        NotFound: ``user_not_found``.
    """
    found = find_user(connection, username)
    if found is None:
        raise NotFound("user_not_found", f"There is no operator {username!r}.")
    return found


def list_users(connection: Connection) -> list[Account]:
    """All accounts by name."""
    rows = connection.execute(select(users).order_by(users.c.username_key)).mappings().all()
    sites: dict[int, set[int]] = {}
    for user_id, site_id in connection.execute(
        select(user_site_assignments.c.user_id, user_site_assignments.c.site_id)
    ):
        sites.setdefault(user_id, set()).add(site_id)
    return [_stored(row, frozenset(sites.get(row["id"], ()))).account for row in rows]


def add_user(
    connection: Connection,
    *,
    username: str,
    display_name: str,
    password_hash: str,
    role: OperatorRole,
    sites: frozenset[int] | None,
    now: float,
) -> StoredUser:
    """Make an account.

    Raises:
        Conflict: ``user_exists``.
        NotFound: ``site_not_found``.
    """
    if find_user(connection, username) is not None:
        raise Conflict("user_exists", f"There is an operator {username!r} already.")
    result = connection.execute(
        insert(users).values(
            username=username,
            username_key=username_key(username),
            display_name=display_name,
            password_hash=password_hash,
            role=role.value,
            site_limited=sites is not None,
            disabled=False,
            created_at=now,
            updated_at=now,
            totp_last_step=0,
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    _assign(connection, int(key[0]), sites, now)
    return require_user(connection, username)


def change_user(connection: Connection, user_id: int, now: float, **values: Any) -> None:
    """Set columns of an account."""
    connection.execute(update(users).where(users.c.id == user_id).values(updated_at=now, **values))


def signed_in_at(connection: Connection, user_id: int, now: float) -> None:
    """The operator signed in; nothing else about the account changed."""
    connection.execute(update(users).where(users.c.id == user_id).values(last_login=now))


def set_sites(connection: Connection, user_id: int, sites: frozenset[int] | None, now: float) -> None:
    """Limit an account to sites; None lifts the limit.

    Raises:
        NotFound: ``site_not_found``.
    """
    connection.execute(delete(user_site_assignments).where(user_site_assignments.c.user_id == user_id))
    change_user(connection, user_id, now, site_limited=sites is not None)
    _assign(connection, user_id, sites, now)


def delete_user(connection: Connection, user_id: int) -> None:
    """Remove an account, and with it its sessions, tokens, codes and sites."""
    connection.execute(delete(users).where(users.c.id == user_id))


def lock_users(connection: Connection) -> None:
    """Let no other transaction change accounts until this one ends (SQLite has one writer anyway)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def another_full_admin(connection: Connection, user_id: int) -> bool:
    """Whether an Admin would be left who sees all sites and may sign in, without ``user_id``."""
    query = (
        select(func.count())
        .select_from(users)
        .where(
            users.c.id != user_id,
            users.c.role == OperatorRole.ADMIN.value,
            users.c.disabled.is_(False),
            users.c.site_limited.is_(False),
        )
    )
    return bool(connection.execute(query).scalar_one())


def step_is_fresh(connection: Connection, user_id: int, step: int) -> bool:
    """Use up a time step of the second factor; False if it, or a later one, was used before."""
    result = connection.execute(
        update(users).where(users.c.id == user_id, users.c.totp_last_step < step).values(totp_last_step=step)
    )
    return result.rowcount == 1


def setup_is_done(connection: Connection) -> bool:
    """Whether the first operator was made, ever."""
    done = connection.execute(select(setup_state.c.id)).first()
    return done is not None or connection.execute(select(users.c.id).limit(1)).first() is not None


def add_setup_link(connection: Connection, token_hash: str, *, now: float, expires_at: float) -> None:
    """Remember a link; older ones end here, so that at most one is valid."""
    connection.execute(delete(setup_links))
    connection.execute(insert(setup_links).values(token_hash=token_hash, created_at=now, expires_at=expires_at))


def has_setup_link(connection: Connection, token_hash: str, now: float) -> bool:
    """Whether there is such a link and it has not expired; uses nothing up."""
    condition = (setup_links.c.token_hash == token_hash) & (setup_links.c.expires_at > now)
    return connection.execute(select(setup_links.c.created_at).where(condition)).first() is not None


def use_setup_link(connection: Connection, token_hash: str, now: float) -> bool:
    """Use a link up; False if there is none such or it has expired."""
    result = connection.execute(
        delete(setup_links).where(setup_links.c.token_hash == token_hash, setup_links.c.expires_at > now)
    )
    return result.rowcount == 1


def close_setup(connection: Connection, now: float) -> None:
    """Nobody sets up again: the row's primary key refuses a second one."""
    connection.execute(insert(setup_state).values(id=1, completed_at=now))
    connection.execute(delete(setup_links))


def _assign(connection: Connection, user_id: int, sites: frozenset[int] | None, now: float) -> None:
    for site_id in sorted(sites or ()):
        if connection.execute(text("SELECT 1 FROM sites WHERE id = :id"), {"id": site_id}).first() is None:
            raise NotFound("site_not_found", f"There is no site {site_id}.")
        connection.execute(insert(user_site_assignments).values(user_id=user_id, site_id=site_id, assigned_at=now))


def _one(connection: Connection, condition: Any) -> StoredUser | None:
    row = connection.execute(select(users).where(condition)).mappings().first()
    if row is None:
        return None
    sites = connection.execute(
        select(user_site_assignments.c.site_id).where(user_site_assignments.c.user_id == row["id"])
    ).scalars()
    return _stored(row, frozenset(sites))


def _stored(row: RowMapping, sites: frozenset[int]) -> StoredUser:
    return StoredUser(
        account=Account(
            id=row["id"],
            username=row["username"],
            display_name=row["display_name"],
            role=OperatorRole(row["role"]),
            sites=sites if row["site_limited"] else None,
            disabled=row["disabled"],
            mfa_enabled=row["totp_sealed"] is not None,
            created_at=row["created_at"],
            last_login=row["last_login"],
        ),
        password_hash=row["password_hash"],
        totp_sealed=row["totp_sealed"],
        totp_pending_sealed=row["totp_pending_sealed"],
        totp_last_step=row["totp_last_step"],
    )
