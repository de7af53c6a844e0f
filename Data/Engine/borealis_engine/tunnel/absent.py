"""An Engine without tunnels; says why."""

from collections.abc import Sequence

from borealis_base.wireguard.texts import PeerState
from borealis_engine.tunnel.ports import DevicePeer, WiresError


class NoWires:
    """Implements ``ports.Wires`` where there is nothing to drive."""

    is_up = False

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def missing(self) -> str:
        """Always the reason."""
        return self._reason

    async def clear(self) -> None:
        """There is nothing."""

    async def up(self, peers: Sequence[DevicePeer]) -> None:
        """Never."""
        raise WiresError(self._reason)

    async def down(self) -> None:
        """There is nothing."""

    async def add(self, peer: DevicePeer) -> None:
        """Never."""
        raise WiresError(self._reason)

    async def remove(self, peer: DevicePeer) -> None:
        """There is nothing."""

    async def change_ports(self, before: DevicePeer, after: DevicePeer) -> None:
        """There is nothing."""

    async def peers(self) -> list[PeerState]:
        """None."""
        return []
