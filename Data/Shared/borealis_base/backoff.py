"""How long to wait before trying again: exponential, capped, with full jitter.

Full jitter (a uniform draw up to the bound) spreads a fleet that lost its Engine at one moment.
"""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays in seconds for one thing that is tried again and again."""

    first: float = 1.0
    longest: float = 60.0
    floor: float = 0.2
    attempts: int = 0

    def next_delay(self, rng: random.Random) -> float:
        """The next wait; grows with each call until :meth:`reset`."""
        bound = min(self.longest, self.first * 2 ** min(self.attempts, 16))
        self.attempts += 1
        return max(self.floor, rng.uniform(0, bound))

    def reset(self) -> None:
        """Call after a success that lasted."""
        self.attempts = 0
