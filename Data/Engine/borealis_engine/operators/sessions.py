"""Sessions of signed-in operators: opened, recognised, listed, ended. A session is a random token in a cookie."""

from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import NotFound, Unauthenticated, Unavailable
from borealis_engine.core.log import get_logger
from borealis_engine.operators import credential_store, store
from borealis_engine.operators.ground import Ground, deed, require_account, require_session
from borealis_engine.operators.models import ABSOLUTE_SECONDS, IDLE_SECONDS, NewSession, SessionRow, SignedIn
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.secrets_hash import csrf_of, fingerprint

TOUCH_SECONDS: Final = 60.0
PRUNE_SECONDS: Final = 3600.0
log = get_logger("operators")


class Sessions:
    """The database holds the hash of each token: who copies it is signed in nowhere."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def open(self, user_id: int, checked_hash: str, *, peer: str, user_agent: str, how: str) -> NewSession:
        """Open a session for an account whose password was found to be the one of ``checked_hash``.

        Raises:
            Unauthenticated: ``invalid_credentials``: the account changed since its password was looked at.
        """
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
            store.signed_in_at(connection, user_id, now)
            record(connection, deed(user.account.username, "session.open", "session", row.id, peer, how=how), now)
            return user

        user = await self._ground.db.write(work)
        principal = user.principal(via="session", credential_id=row.id)
        return NewSession(user.account, principal, token, csrf_of(token), int(ABSOLUTE_SECONDS))

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
            try:
                await ground.db.write(lambda connection: credential_store.touch_session(connection, session.id, now))
            except Unavailable as error:
                # A full disk must not sign everybody out who could look at what is wrong.
                log.warning("use of a session not noted", reason=error.detail)
        signed_in = SignedIn(
            user.principal(via="session", credential_id=session.id), csrf_of(token), session.expires_at
        )
        ground.cache.put(token_hash, signed_in, ground.clock.monotonic(), generation)
        return signed_in

    async def list(self, principal: Principal) -> list[SessionRow]:
        """One's own valid sessions, newest use first.

        Raises:
            Forbidden: ``no_account``.
        """
        user_id = require_account(principal)
        now = self._ground.clock.now()
        return await self._ground.db.read(
            lambda connection: credential_store.list_sessions(connection, user_id, now=now, idle=IDLE_SECONDS)
        )

    async def logout(self, principal: Principal, *, peer: str) -> None:
        """End the session that asks.

        Raises:
            Forbidden: ``session_required``.
        """
        require_session(principal)
        await self._end(principal, principal.credential_id, peer)

    async def end(self, principal: Principal, session_id: str, *, peer: str) -> None:
        """End one of one's own sessions.

        Raises:
            Forbidden: ``session_required``.
            NotFound: ``session_not_found``.
        """
        if not await self._end(principal, session_id, peer):
            raise NotFound("session_not_found", "You have no such session.")

    async def end_others(self, principal: Principal, *, peer: str) -> int:
        """Sign out everywhere but here; gives how many sessions ended.

        Raises:
            Forbidden: ``session_required``.
        """
        user_id = require_session(principal)

        def work(connection: Connection) -> int:
            count = credential_store.end_sessions(connection, user_id, but=principal.credential_id)
            entry = deed(principal, "session.end_others", "user", principal.username, peer, ended=count)
            record(connection, entry, self._ground.clock.now())
            return count

        count = await self._ground.db.write(work)
        self._ground.cache.drop_all()
        return count

    async def prune_loop(self) -> None:
        """Remove expired sessions and personal tokens every hour; run it as a supervised task."""
        while True:
            expired = partial(credential_store.prune, now=self._ground.clock.now(), idle=IDLE_SECONDS)
            try:
                await self._ground.db.write(expired)
            except Unavailable as error:
                log.warning("expired sessions not removed", reason=error.detail)
            await self._ground.clock.sleep(PRUNE_SECONDS)

    async def _end(self, principal: Principal, session_id: str, peer: str) -> bool:
        user_id = require_session(principal)

        def work(connection: Connection) -> bool:
            ended = credential_store.end_session(connection, user_id, session_id)
            if ended:
                entry = deed(principal, "session.end", "session", session_id, peer)
                record(connection, entry, self._ground.clock.now())
            return ended

        ended = await self._ground.db.write(work)
        self._ground.cache.drop_all()
        return ended


def _signed_out() -> Unauthenticated:
    return Unauthenticated("unauthorized", "The session has ended. Sign in again.")
