"""How much a socket may send: a token bucket, pure; seconds are monotonic and come in as arguments."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens a second, at most ``burst`` saved up; begins full."""

    rate: float
    burst: float
    _level: float = 0.0
    _at: float | None = None

    def delay(self, cost: float, now: float) -> float:
        """Take ``cost`` and give the seconds to wait until that is paid for; 0 where it was there.

        Always takes: who waits as told stays within the rate, and one big thing is let through, then waited for.
        """
        self._refill(now)
        self._level -= cost
        return 0.0 if self._level >= 0 else -self._level / self.rate

    def take(self, cost: float, now: float) -> bool:
        """Take ``cost`` if it is there; False, and nothing taken, where it is not."""
        self._refill(now)
        if self._level < cost:
            return False
        self._level -= cost
        return True

    def _refill(self, now: float) -> None:
        if self._at is None:
            self._level = self.burst
        else:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
