"""Personal access tokens for automation: scoped, expiring, shown once."""

from typing import Final

from sqlalchemy import Connection

from borealis_engine.audit.store import record
from borealis_engine.core.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unavailable
from borealis_engine.core.log import get_logger
from borealis_engine.operators import credential_store, store
from borealis_engine.operators.ground import Ground, deed, require_account, require_session
from borealis_engine.operators.models import MAX_TOKEN_DAYS, TOKEN_PREFIX, NewToken, SignedIn, TokenRow
from borealis_engine.operators.permissions import PERMISSIONS, Permission, Principal
from borealis_engine.operators.secrets_hash import fingerprint

MAX_TOKENS: Final = 100
TOUCH_SECONDS: Final = 60.0
log = get_logger("operators")


class PersonalTokens:
    """Made by a signed-in person for the rights that person has; never more, and never by another token."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def list(self, principal: Principal) -> list[TokenRow]:
        """One's own tokens.

        Raises:
            Forbidden: ``no_account``.
        """
        user_id = require_account(principal)
        return await self._ground.db.read(lambda connection: credential_store.list_tokens(connection, user_id))

    async def create(
        self, principal: Principal, *, name: str, scopes: frozenset[Permission], days: int, peer: str
    ) -> NewToken:
        """Make a token; its text is in the answer and nowhere else.

        Raises:
            Conflict: ``too_many_tokens``.
            Forbidden: ``session_required``, or ``scope_exceeds_rights``.
        """
        user_id = require_session(principal)
        beyond = {scope for scope in scopes if not principal.may(scope)}
        if beyond:
            names = ", ".join(sorted(scope.value for scope in beyond))
            raise Forbidden("scope_exceeds_rights", f"You do not have these rights yourself: {names}.")
        now = self._ground.clock.now()
        token = TOKEN_PREFIX + self._ground.randomness.token_urlsafe(32)
        row = TokenRow(
            id=self._ground.randomness.uuid(),
            name=name,
            scopes=tuple(sorted(scopes, key=lambda scope: scope.value)),
            created_at=now,
            expires_at=now + min(max(days, 1), MAX_TOKEN_DAYS) * 86400.0,
            last_used_at=None,
        )

        def work(connection: Connection) -> None:
            if credential_store.count_tokens(connection, user_id) >= MAX_TOKENS:
                raise Conflict("too_many_tokens", f"An operator has at most {MAX_TOKENS} tokens. Delete some first.")
            credential_store.add_token(connection, row=row, user_id=user_id, token_hash=fingerprint(token))
            entry = deed(
                principal,
                "token.create",
                "token",
                row.id,
                peer,
                name=name,
                scopes=[scope.value for scope in row.scopes],
                expires_at=row.expires_at,
            )
            record(connection, entry, now)

        await self._ground.db.write(work)
        return NewToken(row, token)

    async def delete(self, principal: Principal, token_id: str, *, peer: str) -> None:
        """End one of one's own tokens, at once.

        Raises:
            Forbidden: ``no_account``.
            NotFound: ``token_not_found``.
        """
        user_id = require_account(principal)

        def work(connection: Connection) -> None:
            row = credential_store.delete_token(connection, user_id, token_id)
            if row is None:
                raise NotFound("token_not_found", "You have no such token.")
            entry = deed(principal, "token.delete", "token", token_id, peer, name=row.name)
            record(connection, entry, self._ground.clock.now())

        await self._ground.db.write(work)
        self._ground.cache.drop_all()

    async def authenticate(self, token: str) -> Principal:
        """Who a personal token belongs to, with what it may do.

        A right that the operator lost is lost to the token too: role and scopes must both allow it.

        Raises:
            Unauthenticated: ``unauthorized``.
        """
        ground = self._ground
        token_hash = fingerprint(token)
        now = ground.clock.now()
        kept = ground.cache.get(token_hash, ground.clock.monotonic(), now)
        if kept is not None:
            return kept.principal
        generation = ground.cache.generation

        def look(connection: Connection) -> tuple[TokenRow, store.StoredUser] | None:
            found = credential_store.find_token(connection, token_hash)
            user = None if found is None else store.get_user(connection, found.user_id)
            return None if found is None or user is None else (found.row, user)

        found = await ground.db.read(look)
        if found is None or found[1].account.disabled or now >= found[0].expires_at:
            raise Unauthenticated("unauthorized", "The token is unknown, expired or was deleted.")
        row, user = found
        if row.last_used_at is None or now - row.last_used_at >= TOUCH_SECONDS:
            try:
                await ground.db.write(lambda connection: credential_store.touch_token(connection, row.id, now))
            except Unavailable as error:
                log.warning("use of a personal token not noted", reason=error.detail)
        scopes = frozenset(row.scopes) & PERMISSIONS[user.account.role]
        principal = user.principal(scopes=scopes, via="token", credential_id=row.id)
        ground.cache.put(token_hash, SignedIn(principal, "", row.expires_at), ground.clock.monotonic(), generation)
        return principal
