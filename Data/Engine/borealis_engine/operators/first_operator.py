"""Set-up: the one-time link for the first operator, and the owner's token on the Engine's own machine."""

import hmac
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from borealis_base.files import private_folder, write_atomic
from borealis_engine.audit.store import record
from borealis_engine.core.errors import Conflict, Forbidden, RateLimited, Unauthenticated
from borealis_engine.operators import store
from borealis_engine.operators.accounts import check_username
from borealis_engine.operators.ground import Ground, deed
from borealis_engine.operators.lockout import LockOut, peer_key
from borealis_engine.operators.models import OWNER_NAME, OWNER_PREFIX, SETUP_LINK_SECONDS, NewSession
from borealis_engine.operators.passwords import check_new_password
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.operators.secrets_hash import fingerprint
from borealis_engine.operators.sessions import Sessions

OWNER_FILE: Final = "cli.token"


class FirstOperator:
    """Lets exactly one first operator in; afterwards this door stays shut for good."""

    def __init__(self, ground: Ground, sessions: Sessions, *, url: str) -> None:
        self._ground = ground
        self._sessions = sessions
        self._url = url
        self._tries = LockOut(free=5, longest_wait=300.0)

    async def is_needed(self) -> bool:
        """Whether nobody was set up yet."""
        return not await self._ground.db.read(store.setup_is_done)

    async def create_link(self) -> str:
        """A new one-time link, good for 24 h; earlier ones end.

        The secret is behind ``#``: browsers do not send that part, so no log and no proxy sees it.

        Raises:
            Conflict: ``setup_done``.
        """
        token = self._ground.randomness.token_urlsafe(32)
        now = self._ground.clock.now()

        def work(connection: Connection) -> None:
            if store.setup_is_done(connection):
                raise _done()
            store.add_setup_link(connection, fingerprint(token), now=now, expires_at=now + SETUP_LINK_SECONDS)
            record(connection, deed("engine", "setup.link", "engine", "setup", ""), now)

        await self._ground.db.write(work)
        return f"{self._url}/setup#{token}"

    async def complete(
        self, token: str, *, username: str, password: str, display_name: str, peer: str, user_agent: str
    ) -> NewSession:
        """Make the first Admin and sign them in. Link, account and the closing of set-up commit together.

        Raises:
            Conflict: ``setup_done``.
            Forbidden: ``invalid_setup_token``.
            Invalid: ``invalid_username`` or ``weak_password``; the link stays good.
            RateLimited: too many wrong links from this address.
        """
        if not await self.is_needed():
            raise _done()
        check_username(username)
        check_new_password(password, username)
        steady, network = self._ground.clock.monotonic(), peer_key(peer)
        try:
            self._tries.check(network, steady)
        except RateLimited as error:
            raise RateLimited(error.retry_after, "Too many wrong set-up links. Wait and try again.") from error
        self._tries.begin(network, steady)
        now = self._ground.clock.now()
        token_hash = fingerprint(token)
        # A look first, so that strangers cannot keep the password threads busy; what counts is decided below.
        if not await self._ground.db.read(lambda connection: store.has_setup_link(connection, token_hash, now)):
            raise _wrong_link()
        hashed = await self._ground.hashing.hash(password)

        def work(connection: Connection) -> store.StoredUser:
            store.lock_users(connection)
            if store.setup_is_done(connection):
                raise _done()
            if not store.use_setup_link(connection, token_hash, now):
                raise _wrong_link()
            store.close_setup(connection, now)
            user = store.add_user(
                connection,
                username=username,
                display_name=display_name or username,
                password_hash=hashed,
                role=OperatorRole.ADMIN,
                sites=None,
                now=now,
            )
            record(connection, deed(username, "setup.complete", "user", username, peer), now)
            return user

        user = await self._ground.db.write(work)
        self._tries.succeed(network)
        return await self._sessions.open(
            user.account.id, user.password_hash, peer=peer, user_agent=user_agent, how="set-up"
        )


class OwnerToken:
    """A token in a 0600 file, new at each start: who can read it owns the Engine's machine anyway."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self._ground = ground
        self._folder = folder
        self._hash = ""

    def ensure(self) -> Path:
        """Write a new token, and give the file.

        Raises:
            OSError: the folder cannot be written.
        """
        private_folder(self._folder)
        token = OWNER_PREFIX + self._ground.randomness.token_urlsafe(32)
        path = self._folder / OWNER_FILE
        write_atomic(path, token.encode(), mode=0o600)
        self._hash = fingerprint(token)
        return path

    def authenticate(self, token: str, *, direct: bool) -> Principal:
        """The owner, if the token is right and came straight from this machine.

        Raises:
            Unauthenticated: ``unauthorized``.
        """
        right = hmac.compare_digest(self._hash.encode(), fingerprint(token).encode()) and self._hash != ""
        if not right or not direct:
            raise Unauthenticated("unauthorized", "The owner token is wrong, or was not used on the Engine's machine.")
        return Principal(None, OWNER_NAME, OperatorRole.ADMIN, via="owner", credential_id=OWNER_NAME)


def _wrong_link() -> Forbidden:
    return Forbidden(
        "invalid_setup_token", "The set-up link is wrong or older than 24 h. Restart the Engine to get a new one."
    )


def _done() -> Conflict:
    return Conflict("setup_done", "The first operator was set up already. Sign in, or ask an Admin for an account.")
