"""Port forwarding: TCP connections from this device to what it reaches, for whom the Engine lets in by the tunnel."""

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from borealis_agent.capabilities.entry import Visitor
from borealis_agent.role_api import RoleContext
from borealis_agent.role_api.entry_role import EntryRole
from borealis_base.clock import Clock
from borealis_wire.forward import FORWARD_ENTRY, FORWARD_PORT, ForwardOrder

if TYPE_CHECKING:
    from borealis_agent.capabilities.forward import Forwards

ROLE_NAME = "PortForward"
ROLE_CONTEXTS = ["system"]


class Role(EntryRole[ForwardOrder]):
    """Listens on the tunnel's address while there is a tunnel; what happens there is in ``capabilities.forward``."""

    WHAT = "forwarded connections"
    PORT = FORWARD_PORT
    PORT_SETTING = "BOREALIS_FORWARD_PORT"
    # A browser opens dozens at once, and each waits for the journal.
    MOST_STRANGERS = 64
    SEND_BUFFER = None

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx, FORWARD_ENTRY)
        self._forwards: Forwards | None = None

    def opening(self, clock: Clock) -> None:
        """What carries connections is loaded now, not before."""
        from borealis_agent.capabilities.forward import Forwards, Targets

        targets = Targets(os.environ.get("BOREALIS_FORWARD_HOSTS", ""))
        for word in targets.mistakes:
            self.ctx.log(f"BOREALIS_FORWARD_HOSTS: {word!r} is neither any, device, an address nor a network")
        self._forwards = Forwards(targets=targets, closed=self._tunnel_ends_here, engine=self._engine, say=self.ctx.log)

    async def serve(self, order: ForwardOrder, visitor: Visitor) -> None:
        """One connection."""
        assert self._forwards is not None
        await self._forwards.serve(order, visitor)

    def health_report(self) -> Mapping[str, Any]:
        """Where it listens, and how many connections there are."""
        carried = {"connections": 0, "opened": 0} if self._forwards is None else self._forwards.report()
        return {"state": "running", "listening": self.listening, **carried}

    def _engine(self) -> tuple[str, int]:
        called = urlsplit(self.ctx.hooks.get("get_server_url", str)())
        return called.hostname or "", called.port or 443

    def _tunnel_ends_here(self) -> frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        """The device's address in the tunnel, where its entries are, and the Engine's. Loopback stays a target."""
        ends = (ipaddress.ip_address(one) for one in (self.listening.rpartition(":")[0], self.peer) if one)
        return frozenset(one for one in ends if not one.is_loopback)
