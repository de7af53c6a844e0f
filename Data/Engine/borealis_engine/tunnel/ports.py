"""What this room needs of others, as Protocols; filled in by ``app``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from borealis_base.wireguard.texts import PeerState
from borealis_wire.events import RunContext


class WiresError(Exception):
    """The system did not do what a tunnel needs; the sentence is for a person."""


@dataclass(frozen=True, slots=True)
class DevicePeer:
    """A device on the interface: its key, its one address, and the ports that the Engine may reach there."""

    public_key: str
    address: str
    ports: tuple[int, ...]


class Wires(Protocol):
    """The Engine's one interface. Never called by two tasks at once. ``linux.LinuxWires`` fulfils it."""

    @property
    def is_up(self) -> bool:
        """Whether the interface was made and not taken away by us."""

    def missing(self) -> str:
        """Why there are no tunnels here, in one sentence; empty where there can be."""

    async def clear(self) -> None:
        """At start: take away what an earlier life could not. Never raises."""

    async def up(self, peers: Sequence[DevicePeer]) -> None:
        """Make the interface with these peers. Raises ``WiresError``; nothing is left behind then."""

    async def down(self) -> None:
        """Take everything away; once more does nothing. Never raises."""

    async def add(self, peer: DevicePeer) -> None:
        """Let a device in, while the others talk on. Raises ``WiresError``."""

    async def remove(self, peer: DevicePeer) -> None:
        """Shut a device out. Raises ``WiresError``."""

    async def change_ports(self, before: DevicePeer, after: DevicePeer) -> None:
        """Another allow-list; connections to what is closed now are cut. Raises ``WiresError``."""

    async def peers(self) -> list[PeerState]:
        """The peers as they are. Raises ``WiresError``, also where the interface is gone."""


class TunnelLink(Protocol):
    """Live sockets of devices; implemented by ``gateway``."""

    def has_session(self, guid: str, context: RunContext) -> bool:
        """Whether a socket of this device and context is up now."""

    async def send_sealed(
        self, event: str, guid: str, context: RunContext, payload: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Emit an event and give its acknowledgement; None where the socket is gone. The caller bounds the wait."""


class Sealer(Protocol):
    """Implemented by ``signing.SigningService``."""

    def seal(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """A DSSE envelope."""
