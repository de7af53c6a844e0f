"""A tunnel as the Engine keeps it, and what others get of it."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from borealis_engine.activity import Use
from borealis_engine.operators.permissions import Principal

SCRIPT_NAME: Final = "Reverse VPN Tunnel (WireGuard)"
SCRIPT_TYPE: Final = "vpn_tunnel"
RUNNING: Final = "Running"
COMPLETED: Final = "Completed"
MAX_PORTS: Final = 64
ENGINE: Final = "engine"
"""Who did what no operator did."""


@dataclass(slots=True, eq=False)
class Lease:
    """The right of one device to one address, shared by the operators who connected. In memory and in the database.

    Wall-clock times in Unix seconds; ``used_at`` and ``told_at`` on the steady clock. ``told``: the device said in
    its present session that the tunnel is up. ``detail``: what is wrong, for operators. ``operators``: who holds it;
    None where the Engine was restarted since and knows the name alone. ``ports``: what is open now.
    """

    id: int
    tunnel_id: str
    guid: str
    hostname: str
    site_id: int | None
    address: str
    public_key: str
    endpoint: str
    started_by: str
    started_at: float
    operators: dict[str, Principal | None]
    ports: tuple[int, ...]
    last_used: float
    used_at: float
    told_at: float = float("-inf")
    told: bool = False
    detail: str = ""
    reaching: int = 0
    handshake: int = 0
    received: int = 0
    sent: int = 0
    device_endpoint: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    seen: tuple[int, int, float] = (0, 0, 0.0)
    """Counters of the interface at the last look (received, sent), and when that was on the steady clock."""
    dirty: bool = False
    use: Use | None = None
    """Its row in activity; every lease that is found has one."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A port of a device in the tunnel. ``ended`` is set when the tunnel is over: whoever uses it lets go then."""

    address: str
    port: int
    ended: asyncio.Event


@dataclass(frozen=True, slots=True)
class PortList:
    """A device's allow-list. ``custom``: somebody set it; else it is the default for the device's system."""

    guid: str
    ports: tuple[int, ...]
    custom: bool
    updated_at: float = 0.0
    updated_by: str = ""


@dataclass(frozen=True, slots=True)
class TunnelRow:
    """A tunnel there is or was, as activity shows it. ``ended_at`` None while it is up."""

    id: int
    tunnel_id: str
    guid: str
    hostname: str
    address: str
    started_by: str
    started_at: float
    ended_at: float | None
    reason: str
    received: int
    sent: int

    @property
    def status(self) -> str:
        """Upstream's word for it."""
        return RUNNING if self.ended_at is None else COMPLETED


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the Engine's pair lies."""

    private: Path
    public: Path
