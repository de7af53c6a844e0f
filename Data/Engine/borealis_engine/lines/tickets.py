"""One-time tickets: what an operator asked for by REST, kept until a WebSocket comes for it with the token."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from borealis_base.clock import Clock
from borealis_engine.core.errors import NotFound, RateLimited
from borealis_engine.core.ids import Randomness
from borealis_engine.operators.permissions import Principal

TICKET_SECONDS: Final = 120.0
"""Upstream's (upstream-contract 7.6)."""
MOST_TICKETS: Final = 1000

What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class _Issued(Generic[What]):
    what: What
    operator: tuple[int | None, str]
    until: float


class Tickets(Generic[What]):
    """Tickets for one kind of thing. In memory: an Engine that restarts knows none, and the operator asks again.

    Args:
        seconds: how long one holds.
        most: so many are out at a time.
    """

    def __init__(
        self, *, clock: Clock, randomness: Randomness, seconds: float = TICKET_SECONDS, most: int = MOST_TICKETS
    ) -> None:
        self._clock = clock
        self._randomness = randomness
        self._seconds = seconds
        self._most = most
        self._issued: dict[str, _Issued[What]] = {}

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, principal: Principal, what: What) -> tuple[str, float]:
        """A token by which this operator gets ``what``, and when it holds no more, in Unix seconds.

        Raises:
            RateLimited: too many are out.
        """
        self.forget_old()
        if len(self._issued) >= self._most:
            raise RateLimited(10.0, "Too many connections are about to be opened. Wait a moment and try again.")
        token = self._randomness.uuid().replace("-", "")
        self._issued[token] = _Issued(what, _operator(principal), self._clock.monotonic() + self._seconds)
        return token, self._clock.now() + self._seconds

    def take(self, principal: Principal, token: str) -> What:
        """What a token is for; it holds no more from now on, whoever came with it.

        Raises:
            NotFound: ``invalid_session``: never issued, used, too old, or somebody else's.
        """
        found = self._issued.pop(token, None)
        if found is None or found.until <= self._clock.monotonic():
            raise NotFound("invalid_session", "This token was used, or is too old. Open the connection anew.")
        if found.operator != _operator(principal):
            raise NotFound("invalid_session", "This token was given to somebody else. Open the connection anew.")
        return found.what

    def forget_old(self) -> None:
        """Let go of what nobody came for in time."""
        now = self._clock.monotonic()
        self._issued = {token: one for token, one in self._issued.items() if one.until > now}


def _operator(principal: Principal) -> tuple[int | None, str]:
    return principal.operator_id, principal.username
