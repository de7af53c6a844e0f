"""Accounts of operators: made, changed and removed by Admins who see all sites."""

import re
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import Conflict, Forbidden, Invalid
from borealis_engine.operators import credential_store, passkey_store, second_factor, store
from borealis_engine.operators.ground import Ground, deed
from borealis_engine.operators.models import OWNER_NAME, Account
from borealis_engine.operators.passwords import check_new_password
from borealis_engine.operators.permissions import OperatorRole, Principal

USERNAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._@\-]{0,63}$"
_USERNAME: Final = re.compile(USERNAME_PATTERN.removesuffix("$") + r"\Z")
_RESERVED: Final = frozenset({OWNER_NAME, "engine", "system", "device"})
Change = Callable[[Connection, store.StoredUser, float], dict[str, object]]


class Accounts:
    """Every change counts at once: for sessions, tokens and open sockets, and it ends half-finished sign-ins."""

    def __init__(self, ground: Ground, drop_pending: Callable[[int], None]) -> None:
        self._ground = ground
        self._drop_pending = drop_pending

    async def list(self, principal: Principal) -> list[Account]:
        """All accounts.

        Raises:
            Forbidden: ``site_limited``.
        """
        require_all_sites(principal)
        return await self._ground.db.read(store.list_users)

    async def get(self, user_id: int) -> Account | None:
        """One account by id."""
        found = await self._ground.db.read(lambda connection: store.get_user(connection, user_id))
        return None if found is None else found.account

    async def create(
        self,
        principal: Principal,
        *,
        username: str,
        password: str,
        role: OperatorRole,
        display_name: str = "",
        sites: frozenset[int] | None = None,
        peer: str,
    ) -> Account:
        """Make an account.

        Raises:
            Conflict: ``user_exists``.
            Forbidden: ``site_limited``.
            Invalid: ``invalid_username`` or ``weak_password``.
            NotFound: ``site_not_found``.
        """
        require_all_sites(principal)
        check_username(username)
        check_new_password(password, username)
        hashed = await self._ground.hashing.hash(password)
        now = self._ground.clock.now()

        def work(connection: Connection) -> Account:
            user = store.add_user(
                connection,
                username=username,
                display_name=display_name or username,
                password_hash=hashed,
                role=role,
                sites=sites,
                now=now,
            )
            entry = deed(principal, "user.create", "user", username, peer, role=role.value, sites=_listed(sites))
            record(connection, entry, now)
            return user.account

        return await self._ground.db.write(work)

    async def delete(self, principal: Principal, username: str, *, peer: str) -> None:
        """Remove an account with its sessions and tokens.

        Raises:
            Conflict: ``last_admin``, or ``own_account``.
            Forbidden: ``site_limited``.
            NotFound: ``user_not_found``.
        """

        def change(connection: Connection, user: store.StoredUser, _now: float) -> dict[str, object]:
            if user.account.id == principal.operator_id:
                raise Conflict("own_account", "You cannot remove yourself. Let another Admin do it.")
            _keep_an_admin(connection, user)
            store.delete_user(connection, user.account.id)
            return {"role": user.account.role.value}

        await self._change(principal, username, "user.delete", change, peer=peer)

    async def set_role(self, principal: Principal, username: str, role: OperatorRole, *, peer: str) -> Account:
        """Give another role.

        Raises:
            Conflict: ``last_admin``.
            Forbidden: ``site_limited``.
            NotFound: ``user_not_found``.
        """

        def change(connection: Connection, user: store.StoredUser, now: float) -> dict[str, object]:
            if role is not OperatorRole.ADMIN:
                _keep_an_admin(connection, user)
            store.change_user(connection, user.account.id, now, role=role.value)
            return {"from": user.account.role.value, "to": role.value}

        return await self._changed(principal, username, "user.role", change, peer=peer)

    async def set_sites(
        self, principal: Principal, username: str, sites: frozenset[int] | None, *, peer: str
    ) -> Account:
        """Limit an account to sites; None lifts the limit, an empty set shows it nothing.

        Raises:
            Conflict: ``last_admin``.
            Forbidden: ``site_limited``.
            NotFound: ``user_not_found`` or ``site_not_found``.
        """

        def change(connection: Connection, user: store.StoredUser, now: float) -> dict[str, object]:
            if sites is not None:
                _keep_an_admin(connection, user)
            store.set_sites(connection, user.account.id, sites, now)
            return {"from": _listed(user.account.sites), "to": _listed(sites)}

        return await self._changed(principal, username, "user.sites", change, peer=peer)

    async def set_disabled(self, principal: Principal, username: str, disabled: bool, *, peer: str) -> Account:
        """Bar an account from signing in, or let it in again. Barring ends its sessions at once.

        Raises:
            Conflict: ``last_admin``.
            Forbidden: ``site_limited``.
            NotFound: ``user_not_found``.
        """

        def change(connection: Connection, user: store.StoredUser, now: float) -> dict[str, object]:
            if disabled:
                _keep_an_admin(connection, user)
                credential_store.end_sessions(connection, user.account.id)
            store.change_user(connection, user.account.id, now, disabled=disabled)
            return {"disabled": disabled}

        return await self._changed(principal, username, "user.disabled", change, peer=peer)

    async def reset_password(self, principal: Principal, username: str, password: str, *, peer: str) -> Account:
        """Give a new password; ends the account's sessions and personal tokens.

        Raises:
            Conflict: ``own_account``: one's own is changed with the current one.
            Forbidden: ``site_limited``.
            Invalid: ``weak_password``.
            NotFound: ``user_not_found``.
        """
        require_all_sites(principal)
        check_new_password(password, username)
        hashed = await self._ground.hashing.hash(password)

        def change(connection: Connection, user: store.StoredUser, now: float) -> dict[str, object]:
            if user.account.id == principal.operator_id:
                raise Conflict("own_account", "Change your own password at /api/auth/password, with the current one.")
            store.change_user(connection, user.account.id, now, password_hash=hashed)
            return {
                "sessions_ended": credential_store.end_sessions(connection, user.account.id),
                "credentials_ended": credential_store.delete_tokens(connection, user.account.id)
                + passkey_store.remove_all(connection, user.account.id),
            }

        return await self._changed(principal, username, "user.reset_password", change, peer=peer)

    async def reset_second_factor(self, principal: Principal, username: str, *, peer: str) -> Account:
        """Take away the second factor of somebody who lost it; ends the account's sessions.

        Raises:
            Conflict: ``own_account``: one's own is turned off with password and code.
            Forbidden: ``site_limited``.
            NotFound: ``user_not_found``.
        """

        def change(connection: Connection, user: store.StoredUser, now: float) -> dict[str, object]:
            if user.account.id == principal.operator_id:
                raise Conflict("own_account", "Turn your own second factor off at /api/auth/mfa/disable.")
            second_factor.clear(connection, user.account.id, now)
            # Who lost the telephone lost what is on it; a passkey signs in by itself.
            return {
                "sessions_ended": credential_store.end_sessions(connection, user.account.id),
                "passkeys_ended": passkey_store.remove_all(connection, user.account.id),
            }

        return await self._changed(principal, username, "user.mfa_reset", change, peer=peer)

    async def _changed(self, principal: Principal, username: str, action: str, change: Change, *, peer: str) -> Account:
        await self._change(principal, username, action, change, peer=peer)
        found = await self._ground.db.read(lambda connection: store.require_user(connection, username))
        return found.account

    async def _change(self, principal: Principal, username: str, action: str, change: Change, *, peer: str) -> None:
        require_all_sites(principal)
        now = self._ground.clock.now()

        def work(connection: Connection) -> int:
            store.lock_users(connection)
            user = store.require_user(connection, username)
            detail = change(connection, user, now)
            record(connection, deed(principal, action, "user", user.account.username, peer, **detail), now)
            return user.account.id

        user_id = await self._ground.db.write(work)
        self._drop_pending(user_id)
        self._ground.cache.drop_all()


def check_username(username: str) -> None:
    """The rules for a user name.

    Raises:
        Invalid: ``invalid_username``.
    """
    if not _USERNAME.match(username) or username.casefold() in _RESERVED:
        raise Invalid(
            "invalid_username",
            "A user name has 1 to 64 letters, digits, dots, dashes, underscores or @, begins with a letter or "
            "digit, and is none that Borealis uses itself.",
        )


def require_all_sites(principal: Principal) -> None:
    """Let pass only who sees all sites: accounts and the Engine's own affairs belong to no site.

    Raises:
        Forbidden: ``site_limited``.
    """
    if principal.sites is not None:
        raise Forbidden("site_limited", "Your account is limited to sites. This needs an Admin of all sites.")


def _keep_an_admin(connection: Connection, user: store.StoredUser) -> None:
    account = user.account
    counts = account.role is OperatorRole.ADMIN and not account.disabled and account.sites is None
    if counts and not store.another_full_admin(connection, account.id):
        raise Conflict("last_admin", "This is the last Admin of all sites. Make another one first.")


def _listed(sites: frozenset[int] | None) -> list[int] | str:
    return "all" if sites is None else sorted(sites)
