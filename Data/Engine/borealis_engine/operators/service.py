"""The room of operators in one object, for ``app``, the REST door and the gateway."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import argon2
from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_base.files import private_folder, write_atomic
from borealis_engine.audit import AuditLog
from borealis_engine.core.errors import Fatal, Unauthenticated
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.settings import EngineSettings
from borealis_engine.operators import credential_store, store
from borealis_engine.operators.accounts import Accounts
from borealis_engine.operators.first_operator import FirstOperator, OwnerToken
from borealis_engine.operators.ground import CredentialCache, Ground
from borealis_engine.operators.models import IDLE_SECONDS, OWNER_PREFIX, TOKEN_PREFIX, Account, SignedIn
from borealis_engine.operators.passkeys import Passkeys
from borealis_engine.operators.passwords import PasswordHashing
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.personal_tokens import PersonalTokens
from borealis_engine.operators.second_factor import SecondFactor
from borealis_engine.operators.sessions import Sessions
from borealis_engine.operators.sign_in import SignIn
from borealis_engine.storage import Database

TOTP_KEY_FILE: Final = "totp.key"
_KEY_BYTES: Final = 32


class OperatorService:
    """Who is calling, and everything about the people who may.

    Attributes:
        first: set-up of the first operator.
        sign_in: passwords and codes, and what is confirmed with them.
        sessions: who is signed in, and signing out.
        second_factor: TOTP and recovery codes.
        passkeys: WebAuthn, which stands for both factors.
        accounts: operators as Admins manage them.
        tokens: personal access tokens.
        owner: the token of the Engine's own machine.
    """

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        feed: ChangeFeed,
        audit: AuditLog,
        settings: EngineSettings,
        hasher: argon2.PasswordHasher | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        ground = Ground(db, clock, randomness, PasswordHashing(hasher), CredentialCache())
        self._ground = ground
        self._secrets = settings.paths.secrets
        self.audit = audit
        self.feed = feed
        self.second_factor = SecondFactor(ground, issuer=settings.mfa_issuer)
        self.sessions = Sessions(ground)
        self.sign_in = SignIn(ground, self.second_factor, self.sessions, metrics)
        self.passkeys = Passkeys(
            ground, self.sign_in, self.sessions, url=settings.url, issuer=settings.mfa_issuer, metrics=metrics
        )
        self.accounts = Accounts(ground, self.sign_in.drop_pending)
        self.tokens = PersonalTokens(ground)
        self.first = FirstOperator(ground, self.sessions, url=settings.url)
        self.owner = OwnerToken(ground, self._secrets)

    async def start(self) -> None:
        """Load or make the key of the second factors.

        Raises:
            Fatal: ``totp_key_damaged``.
            OSError: the folder cannot be read or written.
        """
        self.second_factor.unlock(load_or_create_key(self._secrets / TOTP_KEY_FILE, self._ground.randomness))

    async def authenticate_session(self, token: str) -> SignedIn:
        """Who a session cookie belongs to. See ``Sessions.authenticate``."""
        return await self.sessions.authenticate(token)

    async def authenticate_bearer(self, token: str, *, peer: str, direct: bool) -> Principal:
        """Who a bearer token belongs to.

        Args:
            token: a personal token or the owner token, told apart by prefix.
            peer: the caller's address, for the log.
            direct: the connection came from this machine and through no proxy.

        Raises:
            Unauthenticated: ``unauthorized``; device tokens end here too.
        """
        if token.startswith(TOKEN_PREFIX):
            return await self.tokens.authenticate(token)
        if token.startswith(OWNER_PREFIX):
            return self.owner.authenticate(token, direct=direct)
        raise Unauthenticated("unauthorized", f"This is no operator's token (peer {peer}).")

    async def rights_now(self, principal: Principal) -> Principal | None:
        """The same operator by the same credential, with the rights of now; None where it does not hold any more.

        For what goes on while they are away: needs no secret, and counts as no use.

        Raises:
            Unavailable: the database is gone.
        """
        number, now = principal.operator_id, self._ground.clock.now()
        if number is None:
            return principal  # the owner's token holds as long as the Engine lives

        def look(connection: Connection) -> Account | None:
            user = store.get_user(connection, number)
            holds = credential_store.is_valid(connection, principal, now=now, idle=IDLE_SECONDS)
            return user.account if user is not None and holds else None

        account = await self._ground.db.read(look)
        if account is None or account.disabled:
            return None
        return replace(principal, role=account.role, sites=account.sites)

    def ensure_owner_token(self) -> Path:
        """Write the owner's token file (0600), and give its path."""
        return self.owner.ensure()

    async def create_setup_link(self) -> str:
        """A one-time link for the first operator. See ``FirstOperator.create_link``."""
        return await self.first.create_link()

    async def needs_setup(self) -> bool:
        """Whether nobody was set up yet."""
        return await self.first.is_needed()

    async def prune_loop(self) -> None:
        """Remove expired sessions and tokens; run it as a supervised task."""
        await self.sessions.prune_loop()

    def on_rights_changed(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a session, token or account changed: check open sockets again."""
        self._ground.cache.listen(listener)

    def sites_changed(self) -> None:
        """A site was removed: what operators see is worked out anew."""
        self._ground.cache.drop_all()

    def close(self) -> None:
        """End the threads of password hashing."""
        self._ground.hashing.close()


def load_or_create_key(path: Path, randomness: Randomness) -> bytes:
    """The 32 bytes that seal second factors; made at first start.

    Raises:
        Fatal: ``totp_key_damaged``: never replaced silently, second factors would stop working.
        OSError: unreadable or not writable.
    """
    private_folder(path.parent)
    if path.exists():
        key = path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise Fatal(
                "totp_key_damaged",
                f"{path} does not hold {_KEY_BYTES} bytes. Restore it from a backup, or remove it and reset the "
                "second factor of every operator that has one.",
            )
        return key
    key = randomness.token_bytes(_KEY_BYTES)
    write_atomic(path, key, mode=0o600)
    return key
