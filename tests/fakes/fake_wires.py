"""A WireGuard interface that is a dictionary; implements ``tunnel.ports.Wires``."""

from collections.abc import Sequence

from borealis_base.wireguard.texts import PeerState
from borealis_engine.tunnel.ports import DevicePeer, WiresError


class FakeWires:
    """``broken``: nothing works; ``counters``: what :meth:`peers` tells, by key: handshake, received, sent."""

    def __init__(self, missing: str = "") -> None:
        self.why_missing = missing
        self.is_up = False
        self.broken = False
        self.made = 0
        self.there: dict[str, DevicePeer] = {}
        self.counters: dict[str, tuple[int, int, int]] = {}

    def missing(self) -> str:
        """As it was made."""
        return self.why_missing

    async def clear(self) -> None:
        """Nothing is ever left of a dictionary."""

    async def up(self, peers: Sequence[DevicePeer]) -> None:
        """With these peers and no others."""
        self._check()
        assert not self.is_up
        self.is_up, self.there = True, {peer.public_key: peer for peer in peers}
        self.made += 1

    async def down(self) -> None:
        """Empty."""
        self.is_up, self.there = False, {}

    async def add(self, peer: DevicePeer) -> None:
        """One more; two never have the same address."""
        self._check()
        assert peer.address not in {other.address for other in self.there.values()}
        self.there[peer.public_key] = peer

    async def remove(self, peer: DevicePeer) -> None:
        """One less."""
        self._check()
        del self.there[peer.public_key]

    async def change_ports(self, before: DevicePeer, after: DevicePeer) -> None:
        """Of one that is there."""
        self._check()
        assert self.there[before.public_key] == before
        self.there[after.public_key] = after

    async def peers(self) -> list[PeerState]:
        """With the counters that a test set."""
        self._check()
        return [
            PeerState(key, "192.0.2.2:40000", f"{peer.address}/32", *self.counters.get(key, (0, 0, 0)))
            for key, peer in self.there.items()
        ]

    def _check(self) -> None:
        if self.broken:
            raise WiresError("the interface is broken")
