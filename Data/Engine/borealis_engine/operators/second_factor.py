"""The second factor of an account: offer, confirm, accept, recovery codes, remove."""

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import Conflict, Unauthenticated, Unavailable
from borealis_engine.operators import credential_store, store, totp
from borealis_engine.operators.ground import Ground, deed, require_session
from borealis_engine.operators.models import TotpOffer
from borealis_engine.operators.permissions import Principal
from borealis_engine.operators.secrets_hash import fingerprint


class SecondFactor:
    """TOTP and recovery codes. A time step counts once; a recovery code counts once."""

    def __init__(self, ground: Ground, *, issuer: str) -> None:
        self._ground = ground
        self._issuer = issuer
        self._box: totp.SecretBox | None = None

    def unlock(self, key: bytes) -> None:
        """Give the key that seals secrets at rest; called once at start."""
        self._box = totp.SecretBox(key)

    async def offer(self, principal: Principal) -> TotpOffer:
        """Make a secret for an authenticator app; it counts only after ``confirm``.

        Raises:
            Conflict: ``mfa_enabled`` already.
            Forbidden: ``session_required``.
        """
        user_id = require_session(principal)
        secret = totp.new_secret(self._ground.randomness.token_bytes(totp.SECRET_BYTES))
        sealed = self._opened_box().seal(secret, owner=user_id, nonce=self._ground.randomness.token_bytes(12))

        def work(connection: Connection) -> None:
            user = _require(connection, user_id)
            if user.totp_sealed is not None:
                raise Conflict("mfa_enabled", "A second factor is set up already. Remove it first.")
            store.change_user(connection, user_id, self._ground.clock.now(), totp_pending_sealed=sealed)

        await self._ground.db.write(work)
        return TotpOffer(secret, totp.provisioning_url(secret, principal.username, self._issuer))

    async def confirm(self, principal: Principal, code: str, *, peer: str) -> list[str]:
        """Turn the offered secret on, given a code made with it; gives eight recovery codes, shown once.

        Other sessions of the operator end.

        Raises:
            Conflict: ``mfa_not_offered`` or ``mfa_enabled``.
            Forbidden: ``session_required``.
            Unauthenticated: ``invalid_code``.
        """
        user_id = require_session(principal)
        now = self._ground.clock.now()
        codes = [totp.recovery_code(self._ground.randomness.token_bytes(10)) for _ in range(totp.RECOVERY_CODES)]

        def work(connection: Connection) -> None:
            user = _require(connection, user_id)
            if user.totp_sealed is not None:
                raise Conflict("mfa_enabled", "A second factor is set up already.")
            if user.totp_pending_sealed is None:
                raise Conflict("mfa_not_offered", "Ask for a secret first.")
            step = self._step(user_id, user.totp_pending_sealed, code, now)
            if step is None or not store.step_is_fresh(connection, user_id, step):
                raise Unauthenticated("invalid_code", "The code is wrong. Check the clock of your device.")
            store.change_user(connection, user_id, now, totp_sealed=user.totp_pending_sealed, totp_pending_sealed=None)
            credential_store.replace_recovery_codes(
                connection, user_id, [fingerprint(totp.normalise_code(text)) for text in codes]
            )
            credential_store.end_sessions(connection, user_id, but=principal.credential_id)
            record(connection, deed(principal, "user.mfa_enable", "user", principal.username, peer), now)

        await self._ground.db.write(work)
        self._ground.cache.drop_all()
        return codes

    async def accept(self, user_id: int, code: str) -> bool:
        """Whether a code of the app, or a recovery code, is right; either is then used up."""
        now = self._ground.clock.now()
        typed = totp.normalise_code(code)

        def work(connection: Connection) -> bool:
            user = store.get_user(connection, user_id)
            if user is None or user.totp_sealed is None or user.account.disabled:
                return False
            if len(typed) <= totp.CODE_LENGTH:
                step = self._step(user_id, user.totp_sealed, typed, now)
                return step is not None and store.step_is_fresh(connection, user_id, step)
            # Recovery codes are for what went wrong: they count also where the key of the secrets was lost.
            used = credential_store.use_recovery_code(connection, user_id, fingerprint(typed), now)
            if used:
                left = credential_store.recovery_codes_left(connection, user_id)
                name = user.account.username
                record(connection, deed(name, "user.recovery_use", "user", name, "", left=left), now)
            return used

        return await self._ground.db.write(work)

    async def require_enabled(self, user_id: int) -> None:
        """Let pass only an account that has a second factor.

        Raises:
            Conflict: ``mfa_not_enabled``.
            Unauthenticated: the account is gone.
        """
        user = await self._ground.db.read(lambda connection: _require(connection, user_id))
        if user.totp_sealed is None:
            raise _not_enabled()

    async def remove(self, principal: Principal, *, peer: str) -> None:
        """Turn one's own second factor off; the caller has confirmed the password and a code.

        Raises:
            Conflict: ``mfa_not_enabled``.
            Forbidden: ``session_required``.
        """
        user_id = require_session(principal)
        now = self._ground.clock.now()

        def work(connection: Connection) -> None:
            if _require(connection, user_id).totp_sealed is None:
                raise _not_enabled()
            clear(connection, user_id, now)
            record(connection, deed(principal, "user.mfa_disable", "user", principal.username, peer), now)

        await self._ground.db.write(work)
        self._ground.cache.drop_all()

    def _step(self, user_id: int, sealed: str, code: str, now: float) -> int | None:
        secret = self._opened_box().open(sealed, owner=user_id)
        if secret is None:
            raise Unavailable(
                "mfa_unavailable",
                "The key of the second factors (Data/Secrets/totp.key) is not the one they were sealed with. "
                "Restore that file, or let an Admin reset the second factor.",
            )
        typed = totp.normalise_code(code)
        if len(typed) != totp.CODE_LENGTH or not typed.isascii():
            return None
        return totp.matching_step(secret, typed, now)

    def _opened_box(self) -> totp.SecretBox:
        if self._box is None:
            raise Unavailable("starting", "The Engine is still starting.")
        return self._box


def clear(connection: Connection, user_id: int, now: float) -> None:
    """Take the second factor of an account away, in the caller's transaction."""
    store.change_user(connection, user_id, now, totp_sealed=None, totp_pending_sealed=None)
    credential_store.replace_recovery_codes(connection, user_id, [])


def _not_enabled() -> Conflict:
    return Conflict("mfa_not_enabled", "No second factor is set up.")


def _require(connection: Connection, user_id: int) -> store.StoredUser:
    user = store.get_user(connection, user_id)
    if user is None:
        raise Unauthenticated("unauthorized", "The account is gone.")
    return user
