"""What the tunnel needs of the system, as a Protocol; ``linux`` and ``windows`` fulfil it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from borealis_base.wireguard.texts import PeerState
from borealis_wire.tunnel import TunnelStart

ADAPTER = "Borealis"
"""The interface's name, upstream's; ``BOREALIS_WIREGUARD_ADAPTER`` names another."""


class DriverError(Exception):
    """The system did not do what the tunnel needs; the sentence is for a person."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie, below the agent's root; upstream's names."""

    root: Path

    @property
    def private_key(self) -> Path:
        """Made on this device; nobody but this device's account reads it."""
        return self.root / "Borealis" / "Certificates" / "VPN_Client" / "client_private.key"

    @property
    def public_key(self) -> Path:
        """What the Engine is told with ``connect_agent``."""
        return self.root / "Borealis" / "Certificates" / "VPN_Client" / "client_public.key"

    def configuration(self, adapter: str) -> Path:
        """There while the tunnel is up."""
        return self.root / "Borealis" / "Settings" / "WireGuard" / f"{adapter}.conf"

    @property
    def logs(self) -> Path:
        """``tunnel.log``."""
        return self.root / "Logs" / "VPN_Tunnel"


class Driver(Protocol):
    """Brings the one interface up and down. Not called by two tasks at once."""

    def missing(self) -> str:
        """Why this device cannot have a tunnel, in one sentence; empty where it can."""

    async def up(self, order: TunnelStart, endpoint: str) -> None:
        """Make the interface, with the filter, and begin to talk. ``endpoint`` has an address for its host.

        Raises:
            DriverError: nothing of it is left behind.
        """

    async def call(self, order: TunnelStart, endpoint: str, *, anew: bool) -> None:
        """Talk to this endpoint from now on; ``anew``: forget what was agreed and shake hands again.

        Raises:
            DriverError: as it says.
        """

    async def open_ports(self, order: TunnelStart) -> None:
        """Let the Engine reach the order's ports and no other. Raises ``DriverError``."""

    async def down(self) -> None:
        """Take everything away; once more does nothing. Never raises."""

    async def clear(self) -> None:
        """Take away what an earlier life left. Never raises."""

    async def engine(self) -> PeerState | None:
        """The Engine as the interface sees it; None where the interface is gone. Raises ``DriverError``."""
