"""Signing in and out: passwords, the second factor, sessions, lock-out."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import NotFound, RateLimited, Unauthenticated
from borealis_engine.core.log import get_logger
from borealis_engine.operators import credential_store, store
from borealis_engine.operators.ground import Ground, deed, require_account, require_session
from borealis_engine.operators.lockout import LockOut
from borealis_engine.operators.models import (
    ABSOLUTE_SECONDS,
    IDLE_SECONDS,
    PENDING_SECONDS,
    NewSession,
    SecondFactorNeeded,
    SessionRow,
    SignedIn,
)
from borealis_engine.operators.passwords import check_new_password
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.second_factor import SecondFactor
from borealis_engine.operators.secrets_hash import csrf_of, fingerprint

MAX_PENDING = 1000
PENDING_TRIES = 5
TOUCH_SECONDS = 60.0
log = get_logger("operators")


@dataclass(slots=True)
class _Pending:
    user_id: int
    username: str
    expires_at: float
    tries: int = 0


class SignIn:
    """Opens, checks and ends sessions."""

    def __init__(self, ground: Ground, second_factor: SecondFactor) -> None:
        self._ground = ground
        self._second_factor = second_factor
        self._by_name = LockOut(free=5, longest_wait=300.0)
        self._by_peer = LockOut(free=20, longest_wait=900.0)
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    async def login(
        self, username: str, password: str, *, peer: str, user_agent: str
    ) -> NewSession | SecondFactorNeeded:
        """Check a password. Unknown user, wrong password and disabled account cost and answer the same.

        Raises:
            Unauthenticated: ``invalid_credentials``.
            RateLimited: too many failed tries for this name or from this address.
        """
        key = f"name:{store.username_key(username)}"
        peer_key = f"peer:{peer}"
        self._begin(key, peer_key)
        user = await self._ground.db.read(lambda connection: store.find_user(connection, username))
        right = await self._ground.hashing.verify(user.password_hash if user else None, password)
        if user is None or not right or user.account.disabled:
            await self._refused(username, peer, known=user is not None)
            raise Unauthenticated("invalid_credentials", "User name or password is wrong.")
        self._by_peer.take_back(peer_key)
        if user.totp_sealed is not None:
            # The name's failures stay until the code was right too: a known password opens no free guessing.
            return SecondFactorNeeded(user.account.username, self._remember(user.account.id, user.account.username))
        self._by_name.succeed(key)
        opened = await self._open(user.account.id, user.password_hash, peer=peer, user_agent=user_agent, how="password")
        if self._ground.hashing.is_outdated(user.password_hash):
            await self._rehash(user.account.id, user.password_hash, password)
        return opened

    async def verify_second_factor(self, pending_token: str, code: str, *, peer: str, user_agent: str) -> NewSession:
        """Complete a sign-in with a code of the app or a recovery code.

        Raises:
            Unauthenticated: ``mfa_pending`` for an unknown or expired token, ``invalid_code``.
            RateLimited: too many wrong codes.
        """
        now = self._ground.clock.now()
        token_hash = fingerprint(pending_token)
        pending = self._pending.get(token_hash)
        if pending is None or now >= pending.expires_at:
            self._pending.pop(token_hash, None)
            raise Unauthenticated("mfa_pending", "The sign-in has expired. Start again with the password.")
        name_key = f"name:{store.username_key(pending.username)}"
        code_key = f"code:{pending.user_id}"
        peer_key = f"peer:{peer}"
        self._begin(code_key, peer_key)
        pending.tries += 1
        if pending.tries >= PENDING_TRIES:
            self._pending.pop(token_hash, None)
        if not await self._second_factor.accept(pending.user_id, code):
            await self._refused(pending.username, peer, known=True, step="code")
            raise Unauthenticated("invalid_code", "The code is wrong, or was used before. Wait for the next one.")
        self._pending.pop(token_hash, None)
        self._by_name.succeed(name_key)
        self._by_name.succeed(code_key)
        self._by_peer.take_back(peer_key)
        user = await self._ground.db.read(lambda connection: store.get_user(connection, pending.user_id))
        if user is None:
            raise Unauthenticated("mfa_pending", "The account is gone.")
        return await self._open(
            pending.user_id, user.password_hash, peer=peer, user_agent=user_agent, how="second factor"
        )

    async def open_first(self, user_id: int, password_hash: str, *, peer: str, user_agent: str) -> NewSession:
        """Sign in the operator who was just made by set-up."""
        return await self._open(user_id, password_hash, peer=peer, user_agent=user_agent, how="set-up")

    async def authenticate(self, token: str) -> SignedIn:
        """Who a session cookie belongs to.

        Raises:
            Unauthenticated: ``unauthorized``: none, ended, expired, or the account is disabled.
        """
        ground = self._ground
        token_hash = fingerprint(token)
        now = ground.clock.now()
        kept = ground.cache.get(token_hash, ground.clock.monotonic(), now)
        if kept is not None:
            return kept
        generation = ground.cache.generation

        def look(connection: Connection) -> tuple[credential_store.FoundSession, store.StoredUser] | None:
            session = credential_store.find_session(connection, token_hash)
            user = None if session is None else store.get_user(connection, session.user_id)
            return None if session is None or user is None else (session, user)

        found = await ground.db.read(look)
        if found is None:
            raise _signed_out()
        session, user = found
        if now >= session.expires_at or now >= session.last_seen_at + IDLE_SECONDS or user.account.disabled:
            raise _signed_out()
        if now - session.last_seen_at >= TOUCH_SECONDS:
            await ground.db.write(lambda connection: credential_store.touch_session(connection, session.id, now))
        signed_in = SignedIn(
            user.principal(via="session", credential_id=session.id), csrf_of(token), session.expires_at
        )
        ground.cache.put(token_hash, signed_in, ground.clock.monotonic(), generation)
        return signed_in

    async def logout(self, principal: Principal, *, peer: str) -> None:
        """End the session that asks.

        Raises:
            Forbidden: ``session_required``.
        """
        user_id = require_session(principal)

        def work(connection: Connection) -> None:
            credential_store.end_session(connection, user_id, principal.credential_id)
            record(
                connection,
                deed(principal, "session.end", "session", principal.credential_id, peer),
                self._ground.clock.now(),
            )

        await self._ground.db.write(work)
        self._ground.cache.drop_all()

    async def sessions(self, principal: Principal) -> list[SessionRow]:
        """One's own valid sessions.

        Raises:
            Forbidden: ``no_account``.
        """
        user_id = require_account(principal)
        now = self._ground.clock.now()
        return await self._ground.db.read(
            lambda connection: credential_store.list_sessions(connection, user_id, now=now, idle=IDLE_SECONDS)
        )

    async def end_session(self, principal: Principal, session_id: str, *, peer: str) -> None:
        """End one of one's own sessions.

        Raises:
            Forbidden: ``session_required``.
            NotFound: ``session_not_found``.
        """
        user_id = require_session(principal)

        def work(connection: Connection) -> None:
            if not credential_store.end_session(connection, user_id, session_id):
                raise NotFound("session_not_found", "You have no such session.")
            record(connection, deed(principal, "session.end", "session", session_id, peer), self._ground.clock.now())

        await self._ground.db.write(work)
        self._ground.cache.drop_all()

    async def end_all(self, principal: Principal, *, peer: str) -> int:
        """Sign out everywhere, here too; gives how many sessions ended.

        Raises:
            Forbidden: ``session_required``.
        """
        user_id = require_session(principal)

        def work(connection: Connection) -> int:
            count = credential_store.end_sessions(connection, user_id)
            entry = deed(principal, "session.end_all", "user", principal.username, peer, ended=count)
            record(connection, entry, self._ground.clock.now())
            return count

        count = await self._ground.db.write(work)
        self._ground.cache.drop_all()
        return count

    async def change_password(self, principal: Principal, current: str, new: str, *, peer: str) -> None:
        """Change one's own password; ends one's other sessions.

        Raises:
            Forbidden: ``session_required``.
            Invalid: ``weak_password``.
            RateLimited: too many wrong current passwords.
            Unauthenticated: ``invalid_credentials``.
        """
        user_id = require_session(principal)
        check_new_password(new, principal.username)
        await self.confirm_password(principal, current, peer=peer)
        hashed = await self._ground.hashing.hash(new)
        now = self._ground.clock.now()

        def work(connection: Connection) -> None:
            store.change_user(connection, user_id, now, password_hash=hashed)
            ended = credential_store.end_sessions(connection, user_id, but=principal.credential_id)
            entry = deed(principal, "user.change_own_password", "user", principal.username, peer, sessions_ended=ended)
            record(connection, entry, now)

        await self._ground.db.write(work)
        self._forget_pending(user_id)
        self._ground.cache.drop_all()

    async def confirm_password(self, principal: Principal, password: str, *, peer: str) -> None:
        """Check one's own password before something that matters; counts as a sign-in try.

        Raises:
            Forbidden: ``session_required``.
            RateLimited: too many wrong ones.
            Unauthenticated: ``invalid_credentials``.
        """
        user_id = require_session(principal)
        key, peer_key = f"name:{store.username_key(principal.username)}", f"peer:{peer}"
        self._begin(key, peer_key)
        user = await self._ground.db.read(lambda connection: store.get_user(connection, user_id))
        if not await self._ground.hashing.verify(user.password_hash if user else None, password):
            await self._refused(principal.username, peer, known=True, step="current password")
            raise Unauthenticated("invalid_credentials", "The current password is wrong.")
        self._by_name.succeed(key)
        self._by_peer.take_back(peer_key)

    def drop_pending(self, user_id: int) -> None:
        """Half-finished sign-ins of an account end, because its credentials changed."""
        self._forget_pending(user_id)

    async def prune_loop(self) -> None:
        """Remove expired sessions and tokens every hour; run it as a supervised task."""
        while True:
            now = self._ground.clock.now()
            await self._ground.db.write(
                lambda connection, now=now: credential_store.prune(connection, now=now, idle=IDLE_SECONDS)
            )
            for token_hash in [key for key, pending in self._pending.items() if now >= pending.expires_at]:
                self._pending.pop(token_hash, None)
            await self._ground.clock.sleep(3600)

    def _begin(self, *keys: str) -> None:
        now = self._ground.clock.monotonic()
        try:
            for key in keys:
                self._book(key).check(key, now)
        except RateLimited:
            log.warning("sign-in held back", key=keys[0])
            raise
        for key in keys:
            self._book(key).begin(key, now)

    def _book(self, key: str) -> LockOut:
        return self._by_peer if key.startswith("peer:") else self._by_name

    def _remember(self, user_id: int, username: str) -> str:
        token = self._ground.randomness.token_urlsafe(32)
        self._pending[fingerprint(token)] = _Pending(user_id, username, self._ground.clock.now() + PENDING_SECONDS)
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        return token

    def _forget_pending(self, user_id: int) -> None:
        for token_hash in [key for key, pending in self._pending.items() if pending.user_id == user_id]:
            self._pending.pop(token_hash, None)

    async def _refused(self, username: str, peer: str, *, known: bool, step: str = "password") -> None:
        # What was typed as an unknown name may be a password in the wrong field: it is not kept.
        name = username if known else "(unknown)"
        log.warning("sign-in refused", user=name, peer=peer, step=step)
        entry = deed(name, "session.refuse", "user", name, peer, step=step)
        await self._ground.db.write(lambda connection: record(connection, entry, self._ground.clock.now()))

    async def _rehash(self, user_id: int, old: str, password: str) -> None:
        hashed = await self._ground.hashing.hash(password)

        def work(connection: Connection) -> None:
            user = store.get_user(connection, user_id)
            if user is not None and user.password_hash == old:
                store.change_user(connection, user_id, self._ground.clock.now(), password_hash=hashed)

        await asyncio.shield(self._ground.db.write(work))

    async def _open(self, user_id: int, checked_hash: str, *, peer: str, user_agent: str, how: str) -> NewSession:
        token = self._ground.randomness.token_urlsafe(32)
        now = self._ground.clock.now()
        row = SessionRow(
            id=self._ground.randomness.uuid(),
            created_at=now,
            last_seen_at=now,
            expires_at=now + ABSOLUTE_SECONDS,
            address=peer[:64],
            user_agent=user_agent.encode("ascii", "replace").decode()[:256],
        )

        def work(connection: Connection) -> store.StoredUser:
            user = store.get_user(connection, user_id)
            # A password reset or removal that came between check and here wins.
            if user is None or user.account.disabled or user.password_hash != checked_hash:
                raise Unauthenticated("invalid_credentials", "User name or password is wrong.")
            credential_store.add_session(connection, row=row, user_id=user_id, token_hash=fingerprint(token))
            connection.execute(store.users.update().where(store.users.c.id == user_id).values(last_login=now))
            record(connection, deed(user.account.username, "session.open", "session", row.id, peer, how=how), now)
            return user

        user = await self._ground.db.write(work)
        return NewSession(user.account, token, csrf_of(token), int(ABSOLUTE_SECONDS))


def _signed_out() -> Unauthenticated:
    return Unauthenticated("unauthorized", "The session has ended. Sign in again.")
