"""Passkeys of operators: made by who knows the password, used to sign in without one, listed, renamed, deleted.

A passkey stands for both factors: the authenticator is held, and it has verified its holder (always required). A
challenge works once; an authenticator's counter that stands still or goes back is refused and told in the audit log.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import Conflict, Invalid, Unauthenticated
from borealis_engine.core.log import get_logger
from borealis_engine.core.metrics import Metrics
from borealis_engine.operators import passkey_ceremony as ceremony
from borealis_engine.operators import passkey_store, store
from borealis_engine.operators.ground import Ground, deed, require_account, require_session
from borealis_engine.operators.lockout import LockOut, peer_key
from borealis_engine.operators.models import NewSession, PasskeyRow
from borealis_engine.operators.passkey_ceremony import PasskeyRefused
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.sessions import Sessions
from borealis_engine.operators.sign_in import SignIn

MAX_PASSKEYS: Final = 20
MAX_NAME: Final = 128
_SIGN_IN: Final = "sign in"
log = get_logger("operators")


class Passkeys:
    """WebAuthn for the host of the Engine's public URL."""

    def __init__(
        self,
        ground: Ground,
        sign_in: SignIn,
        sessions: Sessions,
        *,
        url: str,
        issuer: str,
        metrics: Metrics | None = None,
    ) -> None:
        self._ground = ground
        self._sign_in = sign_in
        self._sessions = sessions
        self._url = url
        self._issuer = issuer
        self._metrics = metrics
        # Challenges live five minutes; after a restart people press the button again.
        self._key = ground.randomness.token_bytes(32)
        self._used: OrderedDict[bytes, float] = OrderedDict()
        self._by_peer = LockOut(free=20, longest_wait=900.0)

    # --- one's own

    async def list(self, principal: Principal) -> list[PasskeyRow]:
        """One's own passkeys, oldest first.

        Raises:
            Forbidden: ``no_account``.
        """
        user_id = require_account(principal)
        found = await self._ground.db.read(lambda connection: passkey_store.listed(connection, user_id))
        return [stored.row for stored in found]

    async def offer(self, principal: Principal, password: str, *, peer: str) -> dict[str, Any]:
        """What a browser needs to make a passkey, for who knows the password: an open browser is not enough.

        Raises:
            Conflict: ``passkeys_unavailable``, ``too_many_passkeys``.
            Forbidden: ``session_required``.
            RateLimited: too many wrong passwords.
            Unauthenticated: ``invalid_credentials``.
        """
        user_id = require_session(principal)
        party = ceremony.relying_party(self._url, self._issuer)
        await self._sign_in.confirm_password(principal, password, peer)
        user, known = await self._ground.db.read(
            lambda connection: (store.get_user(connection, user_id), passkey_store.listed(connection, user_id))
        )
        if len(known) >= MAX_PASSKEYS:
            raise _too_many()
        return ceremony.registration_options(
            party,
            challenge=self._challenge(_register(principal)),
            handle=user_handle(user_id),
            username=principal.username,
            display_name=user.account.display_name if user is not None else "",
            known=[stored.credential_id for stored in known],
        )

    async def add(self, principal: Principal, credential: Mapping[str, Any], *, name: str, peer: str) -> PasskeyRow:
        """Keep the passkey that a browser made with the options of :meth:`offer`, asked for in this session.

        Raises:
            Conflict: ``passkeys_unavailable``, ``too_many_passkeys``, ``passkey_exists``.
            Forbidden: ``session_required``.
            Invalid: ``invalid_passkey``, ``invalid_name``.
        """
        user_id = require_session(principal)
        party = ceremony.relying_party(self._url, self._issuer)
        called = check_name(name)
        try:
            challenge = self._open_challenge(credential, _register(principal))
            made = ceremony.check_registration(party, credential, challenge)
            self._use_up(challenge)
        except PasskeyRefused as error:
            log.warning("passkey not taken", user=principal.username, peer=peer, reason=error.reason[:200])
            raise Invalid(
                "invalid_passkey",
                "The authenticator's answer does not hold, or came too late. Ask for new options and try again, on "
                f"{party.origin}.",
            ) from error
        now = self._ground.clock.now()
        row = PasskeyRow(self._ground.randomness.uuid(), called, now, None, made.backed_up, made.aaguid)

        def work(connection: Connection) -> None:
            if len(passkey_store.listed(connection, user_id)) >= MAX_PASSKEYS:
                raise _too_many()
            passkey_store.add(connection, row=row, user_id=user_id, made=made)
            record(connection, deed(principal, "passkey.create", "passkey", row.id, peer, name=called), now)

        await self._ground.db.write(work)
        return row

    async def rename(self, principal: Principal, passkey_id: str, name: str, *, peer: str) -> PasskeyRow:
        """Call one of one's own passkeys something else.

        Raises:
            Forbidden: ``session_required``.
            Invalid: ``invalid_name``.
            NotFound: ``passkey_not_found``.
        """
        user_id = require_session(principal)
        called = check_name(name)

        def work(connection: Connection) -> PasskeyRow:
            row = passkey_store.rename(connection, user_id, passkey_id, called)
            entry = deed(principal, "passkey.rename", "passkey", passkey_id, peer, name=called)
            record(connection, entry, self._ground.clock.now())
            return row

        return await self._ground.db.write(work)

    async def delete(self, principal: Principal, passkey_id: str, *, peer: str) -> None:
        """Delete one of one's own passkeys.

        Raises:
            Forbidden: ``session_required``.
            NotFound: ``passkey_not_found``.
        """
        user_id = require_session(principal)

        def work(connection: Connection) -> None:
            row = passkey_store.remove(connection, user_id, passkey_id)
            entry = deed(principal, "passkey.delete", "passkey", passkey_id, peer, name=row.name)
            record(connection, entry, self._ground.clock.now())

        await self._ground.db.write(work)

    # --- signing in

    def options(self) -> dict[str, Any]:
        """What a browser needs to sign in with a passkey; the same for everybody but for the challenge.

        Raises:
            Conflict: ``passkeys_unavailable``.
        """
        party = ceremony.relying_party(self._url, self._issuer)
        return ceremony.authentication_options(party, challenge=self._challenge(_SIGN_IN))

    async def login(self, credential: Mapping[str, Any], *, peer: str, user_agent: str) -> NewSession:
        """Sign in with a passkey.

        Raises:
            Conflict: ``passkeys_unavailable``.
            RateLimited: too many failed tries from this address.
            Unauthenticated: ``invalid_passkey``, whatever is wrong.
        """
        party = ceremony.relying_party(self._url, self._issuer)
        network = peer_key(peer)
        steady = self._ground.clock.monotonic()
        self._by_peer.check(network, steady)
        self._by_peer.begin(network, steady)
        username = ""
        try:
            challenge = self._open_challenge(credential, _SIGN_IN)
            found, user = await self._ground.db.read(lambda connection: _look(connection, credential))
            username = user.account.username
            count = ceremony.check_authentication(
                party, credential, challenge, public_key=found.public_key, sign_count=found.sign_count
            )
            self._use_up(challenge)
            now = self._ground.clock.now()
            if not await self._ground.db.write(lambda connection: passkey_store.use(connection, found, count, now)):
                raise PasskeyRefused("the counter moved meanwhile")
        except PasskeyRefused as error:
            await self._refused(username, peer, error.reason)
            raise Unauthenticated(
                "invalid_passkey", "This passkey does not sign in here, or it took too long. Try again."
            ) from error
        self._by_peer.take_back(network)
        opened = await self._sessions.open(
            found.user_id, user.password_hash, peer=peer, user_agent=user_agent, how="passkey"
        )
        self._count("opened")
        return opened

    def _challenge(self, purpose: str) -> bytes:
        nonce = self._ground.randomness.token_bytes(ceremony.NONCE_BYTES)
        return ceremony.make_challenge(self._key, purpose, nonce, self._ground.clock.monotonic())

    def _open_challenge(self, credential: Mapping[str, Any], purpose: str) -> bytes:
        return ceremony.challenge_of(credential, self._key, purpose, self._ground.clock.monotonic())

    def _use_up(self, challenge: bytes) -> None:
        """A challenge was answered well, and is never again. Bad answers use nothing up: anybody can send those."""
        now = self._ground.clock.monotonic()
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        if challenge in self._used:
            raise PasskeyRefused("the challenge was used before")
        self._used[challenge] = now + ceremony.CHALLENGE_SECONDS

    async def _refused(self, username: str, peer: str, reason: str) -> None:
        name = username or "(unknown)"
        self._count("refused")
        log.warning("sign-in refused", user=name, peer=peer, step="passkey", reason=reason[:200])
        cloned = "sign count" in reason or "counter" in reason
        more = {"cloned_suspected": True} if cloned else {}
        entry = deed(name, "session.refuse", "user", name, peer, step="passkey", **more)
        await self._ground.db.write(lambda connection: record(connection, entry, self._ground.clock.now()))

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.sign_ins.labels(outcome).inc()


def user_handle(user_id: int) -> bytes:
    """What authenticators know an account by: the same for all its passkeys, and no name."""
    return hashlib.sha256(f"borealis passkey user {user_id}".encode()).digest()


def check_name(text: str) -> str:
    """A passkey's name as it is kept.

    Raises:
        Invalid: ``invalid_name``.
    """
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Invalid("invalid_name", f"A name has 1 to {MAX_NAME} printable characters.")
    return name


def _look(
    connection: Connection, credential: Mapping[str, Any]
) -> tuple[passkey_store.StoredPasskey, store.StoredUser]:
    given = credential.get("id")
    found = passkey_store.find(connection, given) if isinstance(given, str) else None
    user = None if found is None else store.get_user(connection, found.user_id)
    if found is None or user is None or user.account.disabled:
        raise PasskeyRefused("no such passkey, or the account is barred")
    if ceremony.names_other_owner(credential, user_handle(found.user_id)):
        raise PasskeyRefused("the passkey says that it is somebody else's")
    return found, user


def _register(principal: Principal) -> str:
    return f"register {principal.operator_id} {principal.credential_id}"


def _too_many() -> Conflict:
    return Conflict("too_many_passkeys", f"An operator has at most {MAX_PASSKEYS} passkeys. Delete some first.")
