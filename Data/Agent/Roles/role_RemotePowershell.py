"""Remote shell: PowerShell, or the log-in shell, in a real terminal, for whom the Engine lets in through the tunnel."""

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.role_api import BaseRole, RoleContext
from borealis_base.clock import SystemClock
from borealis_wire.events import EngineEvent
from borealis_wire.shell import SHELL_PORT

if TYPE_CHECKING:
    from borealis_agent.capabilities.shell.server import ShellServer

ROLE_NAME = "RemotePowershell"
ROLE_CONTEXTS = ["system"]

LOOPBACK = "127.0.0.1"


class Role(BaseRole):
    """Listens on the tunnel's address while there is a tunnel; what happens there is in ``capabilities.shell``."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._server: ShellServer | None = None
        self._listening: asyncio.Task[Any] | None = None

    def register_events(self) -> None:
        """Wait for the tunnel. Both events are sealed: what we hear of them was verified."""
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_START, self._tunnel_begins)
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_STOP, self._tunnel_ends)
        if os.environ.get("BOREALIS_SHELL_LOCAL") == "1":
            # Engine and agent on one machine, where no tunnel leads from one to the other. Orders are sealed all the
            # same, and nothing beyond this machine can connect.
            self._listen(LOOPBACK, LOOPBACK)

    async def stop_all(self) -> None:
        """No shell outlives its agent."""
        self._stop_listening()
        if self._server is not None:
            await self._server.shells.end_all("The agent ended.")

    def health_report(self) -> Mapping[str, Any]:
        """Where it listens, and how many shells there are."""
        if self._server is None:
            return {"state": "running", "listening": "", "shells": 0, "opened": 0}
        return {"state": "running", "listening": self._server.listening, **self._server.shells.report()}

    def _tunnel_begins(self, order: dict[str, Any]) -> None:
        self._listen(_host(order.get("virtual_ip")), _host(order.get("engine_virtual_ip")))

    async def _tunnel_ends(self, _order: dict[str, Any]) -> None:
        self._stop_listening()
        if self._server is not None:
            self.ctx.start_task("end shells", self._server.shells.end_all("The tunnel was closed."))

    def _listen(self, address: str, engine: str) -> None:
        from borealis_agent.capabilities.shell.server import ShellServer
        from borealis_agent.capabilities.shell.sessions import Shells

        if self._server is None:
            clock = SystemClock()
            shells = Shells(start_task=self.ctx.start_task, clock=clock, say=self.ctx.log)
            self._server = ShellServer(
                shells=shells,
                take_order=self.ctx.take_shell_order,
                start_task=self.ctx.start_task,
                clock=clock,
                say=self.ctx.log,
            )
            self.ctx.start_task("watch over shells", shells.watch())
        port = _port(os.environ.get("BOREALIS_WIREGUARD_SHELL_PORT", ""))
        if self._listening is not None and not self._listening.done() and self._server.listening == f"{address}:{port}":
            return  # the tunnel goes on, under another order
        self._stop_listening()
        self._listening = self.ctx.start_task("shell port", self._server.listen(address, port, peer=engine))

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None


def _host(address: object) -> str:
    return str(address or "").partition("/")[0]


def _port(text: str) -> int:
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else SHELL_PORT
