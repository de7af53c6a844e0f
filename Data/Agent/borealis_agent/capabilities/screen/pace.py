"""How often a live view looks: at its rate while things move, less often at rest. Pure; seconds are monotonic."""

from dataclasses import dataclass
from typing import Final

IDLE_AFTER: Final = 1.0
"""Seconds without a change after which a screen counts as resting."""
IDLE_INTERVAL: Final = 0.2
"""Seconds between two looks at a resting screen: a change shows within this time."""
ALIVE_SECONDS: Final = 3.0
"""A resting screen says so that often: whoever watches knows that it is not the line that rests."""
BUSY_SHARE: Final = 3.0
"""After a look that took some time, rest so many times as long at least: a third of a core is no longer a look."""


@dataclass(slots=True)
class Pace:
    """``rate``: looks a second at most."""

    rate: float
    _changed_at: float = 0.0
    _told_at: float = 0.0

    def looked(self, *, changed: bool, now: float, took: float) -> float:
        """A look is over; gives the seconds to rest before the next.

        Args:
            changed: it found something.
            now: when it was over.
            took: seconds that it worked for, without waiting for others.
        """
        if changed:
            self._changed_at = now
        interval = 1.0 / self.rate
        if now - self._changed_at > IDLE_AFTER:
            interval = max(interval, IDLE_INTERVAL)
        return max(interval - took, min(took * BUSY_SHARE, 1.0), 0.0)

    def should_tell(self, *, changed: bool, now: float) -> bool:
        """Whether to send something now: what changed, or word that nothing did."""
        if not changed and now - self._told_at < ALIVE_SECONDS:
            return False
        self._told_at = now
        return True
