"""Which desktop is the same one: a desktop of its own waits on the device for its operator, and is found again."""

from dataclasses import dataclass
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.core.ids import Randomness

KEPT_SECONDS: Final = 300.0
"""As long as a device keeps a desktop that nobody is connected to."""

Key = tuple[object, ...]


@dataclass(slots=True)
class _Session:
    session_id: str
    connections: int
    left_at: float


class Sessions:
    """Ids that connections to the same desktop share, in memory: another Engine begins a desktop anew."""

    def __init__(self, *, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._known: dict[Key, _Session] = {}

    def id_of(self, key: Key) -> str:
        """The id of the desktop that ``key`` means; another one where the last was left long ago."""
        now = self._clock.monotonic()
        self._known = {
            key: one for key, one in self._known.items() if one.connections or now - one.left_at < KEPT_SECONDS
        }
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Session(self._randomness.uuid(), 0, now)
        return known.session_id

    def join(self, key: Key) -> str:
        """A connection begins. Gives the id."""
        session_id = self.id_of(key)
        self._known[key].connections += 1
        return session_id

    def leave(self, key: Key) -> None:
        """A connection is over."""
        if (known := self._known.get(key)) is not None:
            known.connections -= 1
            known.left_at = self._clock.monotonic()
