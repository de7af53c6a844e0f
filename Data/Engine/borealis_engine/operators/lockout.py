"""Guessing is slow: exponential back-off for each user name and each peer. Pure; in memory, bounded."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from borealis_engine.core.errors import RateLimited


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


def peer_key(peer: str) -> str:
    """The key that a peer's tries are counted by: its address, or the /64 of IPv6, which one caller has whole."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return f"peer:{peer[:64]}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            network = ipaddress.ip_network((int(address) >> 64 << 64, 64))
            return f"peer:{network}"
        return f"peer:{address.ipv4_mapped}"
    return f"peer:{address}"


class LockOut:
    """Counts failed tries by key; after ``free`` of them each next one has to wait twice as long.

    A try is counted before its secret is looked at, so that tries sent in parallel gain nothing. It does not
    ask whether the key exists: unknown user names lock out like known ones.
    """

    def __init__(
        self,
        *,
        free: int,
        first_wait: float = 1.0,
        longest_wait: float = 300.0,
        forget: float = 3600.0,
        max_keys: int = 20_000,
    ) -> None:
        self.free = free
        self.first_wait = first_wait
        self.longest_wait = longest_wait
        self.forget = forget
        self.max_keys = max_keys
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, key: str, now: float) -> None:
        """Let a try through, or not; counts nothing.

        Raises:
            RateLimited: the wait after the last failure is not over.
        """
        entry = self._failures.get(key)
        if entry is None:
            return
        if now - entry.last > self.forget:
            del self._failures[key]
        elif now < entry.blocked_until:
            raise RateLimited(entry.blocked_until - now, "Too many failed tries. Wait before the next one.")

    def begin(self, key: str, now: float) -> None:
        """Count a try as failed, until ``succeed`` or ``take_back`` says otherwise."""
        entry = self._failures.setdefault(key, _Failures())
        self._failures.move_to_end(key)
        if len(self._failures) > self.max_keys:
            self._failures.popitem(last=False)
        entry.count += 1
        entry.last = now
        excess = entry.count - self.free
        if excess > 0:
            wait = min(self.longest_wait, self.first_wait * 2.0 ** min(excess - 1, 30))
            entry.blocked_until = now + wait

    def succeed(self, key: str) -> None:
        """Forget all failures of a key."""
        self._failures.pop(key, None)

    def take_back(self, key: str) -> None:
        """Uncount one try. For peers: who knows one password must not wipe out the guesses at others."""
        entry = self._failures.get(key)
        if entry is not None:
            entry.count -= 1
            if entry.count <= self.free:
                entry.blocked_until = 0.0
            if entry.count <= 0:
                del self._failures[key]
