"""What the services of this room share: database, clock, cache of credentials, and how they are dropped."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.core.errors import Forbidden
from borealis_engine.core.ids import Randomness
from borealis_engine.operators.models import SignedIn
from borealis_engine.operators.passwords import PasswordHashing
from borealis_engine.operators.permissions import Principal
from borealis_engine.storage import Database

CACHE_SECONDS: Final = 15.0
CACHE_KEYS: Final = 10_000


class CredentialCache:
    """Recently checked credentials by hash, for 15 s at most.

    ``drop_all`` takes effect at once: an answer that was on its way when it was called is not kept, because
    ``put`` needs the generation from before the look-up.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._kept: OrderedDict[str, tuple[float, SignedIn]] = OrderedDict()
        self._listeners: list[Callable[[], None]] = []

    def get(self, token_hash: str, now: float, wall: float) -> SignedIn | None:
        """What was kept, if it is fresh by the steady clock and not expired by the wall clock."""
        found = self._kept.get(token_hash)
        if found is None:
            return None
        until, signed_in = found
        if now >= until or wall >= signed_in.expires_at:
            del self._kept[token_hash]
            return None
        return signed_in

    def put(self, token_hash: str, signed_in: SignedIn, now: float, generation: int) -> None:
        """Keep a checked credential, unless everything was dropped since ``generation``."""
        if generation != self.generation:
            return
        self._kept[token_hash] = (now + CACHE_SECONDS, signed_in)
        self._kept.move_to_end(token_hash)
        if len(self._kept) > CACHE_KEYS:
            self._kept.popitem(last=False)

    def drop_all(self) -> None:
        """Somebody's rights changed: check everybody anew, and tell who holds sockets open."""
        self.generation += 1
        self._kept.clear()
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Hear of every ``drop_all``; the listener must be quick and must not raise."""
        self._listeners.append(listener)


@dataclass(frozen=True, slots=True)
class Ground:
    """Handed to each service of the room."""

    db: Database
    clock: Clock
    randomness: Randomness
    hashing: PasswordHashing
    cache: CredentialCache


def require_session(principal: Principal) -> int:
    """The operator's id, if a person signed in: tokens must not change what people sign in with.

    Raises:
        Forbidden: ``session_required``.
    """
    if principal.via != "session" or principal.operator_id is None:
        raise Forbidden("session_required", "Sign in with a password for this; a token cannot do it.")
    return principal.operator_id


def require_account(principal: Principal) -> int:
    """The operator's id; the owner token has no account.

    Raises:
        Forbidden: ``no_account``.
    """
    if principal.operator_id is None:
        raise Forbidden("no_account", "The owner token has no account of its own. Sign in as an operator.")
    return principal.operator_id


def deed(principal: Principal | str, action: str, kind: str, target: str, address: str, **detail: object) -> AuditEntry:
    """An audit entry of this room."""
    actor = principal if isinstance(principal, str) else principal.username
    how = {} if isinstance(principal, str) or principal.via == "session" else {"via": principal.via}
    return AuditEntry(actor, action, kind, target, {**how, **detail}, address)
