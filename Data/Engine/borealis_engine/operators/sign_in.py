"""Signing in: passwords, the second factor, lock-out; and what a person confirms with a password later."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import RateLimited, Unauthenticated
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.operators import credential_store, store
from borealis_engine.operators.ground import Ground, deed, require_session
from borealis_engine.operators.lockout import LockOut, peer_key
from borealis_engine.operators.models import PENDING_SECONDS, NewSession, SecondFactorNeeded, TotpOffer
from borealis_engine.operators.passwords import check_new_password
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.second_factor import SecondFactor
from borealis_engine.operators.secrets_hash import fingerprint
from borealis_engine.operators.sessions import Sessions

MAX_PENDING: Final = 1000
PENDING_TRIES: Final = 5
log = get_logger("operators")


@dataclass(slots=True)
class _Pending:
    user_id: int
    username: str
    password_hash: str
    expires_at: float
    tries: int = 0


class SignIn:
    """Checks passwords and codes, and counts the wrong ones by name, account and peer."""

    def __init__(
        self, ground: Ground, second_factor: SecondFactor, sessions: Sessions, metrics: Metrics | None = None
    ) -> None:
        self._ground = ground
        self._second_factor = second_factor
        self._sessions = sessions
        self._metrics = metrics
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
        name, network = _name_key(username), peer_key(peer)
        self._begin(name, network)
        user = await self._ground.db.read(lambda connection: store.find_user(connection, username))
        right = await self._ground.hashing.verify(user.password_hash if user else None, password)
        if user is None or not right or user.account.disabled:
            await self._refused(username, peer, known=user is not None)
            raise Unauthenticated("invalid_credentials", "User name or password is wrong.")
        self._by_peer.take_back(network)
        user_id, checked = user.account.id, user.password_hash
        if self._ground.hashing.is_outdated(checked):
            checked = await self._rehash(user_id, checked, password)
        if user.totp_sealed is not None:
            # The name's failures stay until the code was right too: a known password opens no free guessing.
            pending = _Pending(user_id, user.account.username, checked, self._ground.clock.now() + PENDING_SECONDS)
            self._count("code_wanted")
            return SecondFactorNeeded(user.account.username, self._remember(pending))
        self._by_name.succeed(name)
        opened = await self._sessions.open(user_id, checked, peer=peer, user_agent=user_agent, how="password")
        self._count("opened")
        return opened

    async def verify_second_factor(self, pending_token: str, code: str, *, peer: str, user_agent: str) -> NewSession:
        """Complete a sign-in with a code of the app or a recovery code.

        Raises:
            Unauthenticated: ``mfa_pending`` for an unknown or expired token, ``invalid_code``.
            RateLimited: too many wrong codes.
        """
        now = self._ground.clock.now()
        token_hash = fingerprint(pending_token)
        network = peer_key(peer)
        pending = self._pending.get(token_hash)
        if pending is None or now >= pending.expires_at:
            self._pending.pop(token_hash, None)
            self._begin(network)
            raise Unauthenticated("mfa_pending", "The sign-in has expired. Start again with the password.")
        code_key = f"code:{pending.user_id}"
        self._begin(code_key, network)
        pending.tries += 1
        if pending.tries >= PENDING_TRIES:
            self._pending.pop(token_hash, None)
        if not await self._second_factor.accept(pending.user_id, code):
            await self._refused(pending.username, peer, known=True, step="code")
            raise Unauthenticated("invalid_code", "The code is wrong, or was used before. Wait for the next one.")
        self._pending.pop(token_hash, None)
        self._by_name.succeed(_name_key(pending.username))
        self._by_name.succeed(code_key)
        self._by_peer.take_back(network)
        opened = await self._sessions.open(
            pending.user_id, pending.password_hash, peer=peer, user_agent=user_agent, how="second factor"
        )
        self._count("opened")
        return opened

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
        checked = await self.confirm_password(principal, current, peer)
        hashed = await self._ground.hashing.hash(new)
        now = self._ground.clock.now()

        def work(connection: Connection) -> None:
            user = store.get_user(connection, user_id)
            # An Admin's reset that came between check and here wins.
            if user is None or user.password_hash != checked:
                raise Unauthenticated("invalid_credentials", "The password was changed meanwhile. Sign in again.")
            store.change_user(connection, user_id, now, password_hash=hashed)
            ended = credential_store.end_sessions(connection, user_id, but=principal.credential_id)
            entry = deed(principal, "user.change_own_password", "user", principal.username, peer, sessions_ended=ended)
            record(connection, entry, now)

        await self._ground.db.write(work)
        self.drop_pending(user_id)
        self._ground.cache.drop_all()

    async def offer_second_factor(self, principal: Principal, password: str, *, peer: str) -> TotpOffer:
        """Make a secret for an authenticator app, for who knows the password: an open browser is not enough.

        Raises:
            Conflict: ``mfa_enabled`` already.
            Forbidden: ``session_required``.
            RateLimited: too many wrong passwords.
            Unauthenticated: ``invalid_credentials``.
        """
        require_session(principal)
        await self.confirm_password(principal, password, peer)
        return await self._second_factor.offer(principal)

    async def remove_second_factor(self, principal: Principal, password: str, code: str, *, peer: str) -> None:
        """Turn one's own second factor off, with the password and a code of the app or a recovery code.

        Raises:
            Conflict: ``mfa_not_enabled``.
            Forbidden: ``session_required``.
            RateLimited: too many wrong passwords or codes.
            Unauthenticated: ``invalid_credentials`` or ``invalid_code``.
        """
        user_id = require_session(principal)
        await self.confirm_password(principal, password, peer)
        await self._second_factor.require_enabled(user_id)
        code_key, network = f"code:{user_id}", peer_key(peer)
        self._begin(code_key, network)
        if not await self._second_factor.accept(user_id, code):
            await self._refused(principal.username, peer, known=True, step="code")
            raise Unauthenticated("invalid_code", "The code is wrong, or was used before. Wait for the next one.")
        self._by_name.succeed(code_key)
        self._by_peer.take_back(network)
        await self._second_factor.remove(principal, peer=peer)

    def drop_pending(self, user_id: int) -> None:
        """Half-finished sign-ins of an account end, because its credentials changed."""
        for token_hash in [key for key, pending in self._pending.items() if pending.user_id == user_id]:
            self._pending.pop(token_hash, None)

    async def confirm_password(self, principal: Principal, password: str, peer: str) -> str:
        """Check the password of who is signed in already; gives the hash it was checked by.

        Raises:
            Forbidden: ``session_required``.
            RateLimited: too many wrong passwords.
            Unauthenticated: ``invalid_credentials``.
        """
        user_id = require_session(principal)
        name, network = _name_key(principal.username), peer_key(peer)
        self._begin(name, network)
        user = await self._ground.db.read(lambda connection: store.get_user(connection, user_id))
        right = await self._ground.hashing.verify(user.password_hash if user else None, password)
        if user is None or not right:
            await self._refused(principal.username, peer, known=True, step="current password")
            raise Unauthenticated("invalid_credentials", "The current password is wrong.")
        self._by_name.succeed(name)
        self._by_peer.take_back(network)
        return user.password_hash

    def _begin(self, *keys: str) -> None:
        now = self._ground.clock.monotonic()
        try:
            for key in keys:
                self._book(key).check(key, now)
        except RateLimited:
            self._count("held_back")
            log.warning("sign-in held back", peer=keys[-1])  # the name may be a password in the wrong field
            raise
        for key in keys:
            self._book(key).begin(key, now)

    def _book(self, key: str) -> LockOut:
        return self._by_peer if key.startswith("peer:") else self._by_name

    def _remember(self, pending: _Pending) -> str:
        token = self._ground.randomness.token_urlsafe(32)
        now = self._ground.clock.now()
        while self._pending and next(iter(self._pending.values())).expires_at <= now:
            self._pending.popitem(last=False)
        self._pending[fingerprint(token)] = pending
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        return token

    async def _refused(self, username: str, peer: str, *, known: bool, step: str = "password") -> None:
        # What was typed as an unknown name may be a password in the wrong field: it is not kept.
        name = username if known else "(unknown)"
        self._count("refused")
        log.warning("sign-in refused", user=name, peer=peer, step=step)
        entry = deed(name, "session.refuse", "user", name, peer, step=step)
        await self._ground.db.write(lambda connection: record(connection, entry, self._ground.clock.now()))

    async def _rehash(self, user_id: int, old: str, password: str) -> str:
        """Store the password with the settings of today; gives the hash that the password was checked by."""
        hashed = await self._ground.hashing.hash(password)

        def work(connection: Connection) -> str:
            user = store.get_user(connection, user_id)
            if user is None or user.password_hash != old:
                return old
            store.change_user(connection, user_id, self._ground.clock.now(), password_hash=hashed)
            return hashed

        return await asyncio.shield(self._ground.db.write(work))

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.sign_ins.labels(outcome).inc()


def _name_key(username: str) -> str:
    return f"name:{store.username_key(username)}"
