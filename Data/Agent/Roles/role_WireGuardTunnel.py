"""The tunnel to the Engine: up by sealed order, with a key of this device's own; down by order, idle, or with us."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from borealis_agent.capabilities.wireguard.ports import ADAPTER, Driver, Folders
from borealis_agent.capabilities.wireguard.tunnel import Tunnel
from borealis_agent.role_api import BaseRole, RoleContext
from borealis_base.clock import SystemClock
from borealis_base.wireguard.keys import load_or_make
from borealis_wire import strict_json
from borealis_wire.events import EngineEvent
from borealis_wire.tunnel import TunnelEnd, TunnelStart, TunnelStop, parse_tunnel

ROLE_NAME = "WireGuardTunnel"
ROLE_CONTEXTS = ["system"]


class Role(BaseRole):
    """Hears verified orders only; what it does with them is in ``capabilities.wireguard``."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._tunnel: Tunnel | None = None
        self._missing = ""

    async def register_events(self) -> None:
        """Make the key where there is none, and take away what a crash may have left."""
        folders = Folders(Path(self.ctx.extra.get("agent_root", self.ctx.state_folder)))
        driver = self._driver(folders)
        self._missing = driver.missing()
        if self._missing:
            # Without its public half the Engine knows that there is no tunnel to be had here.
            folders.public_key.unlink(missing_ok=True)
            self.ctx.log(f"no tunnel on this device: {self._missing}")
            return
        pair, made = load_or_make(folders.private_key, folders.public_key, fresh=secrets.token_bytes(32))
        if made:
            self.ctx.log(f"this device has a new WireGuard key, {pair.public}")
        await driver.clear()
        self._tunnel = Tunnel(
            driver,
            public_key=pair.public,
            server_url=self.ctx.hooks.get("get_server_url", str),
            clock=SystemClock(),
            say=self._say,
        )
        self.ctx.start_task("watch", self._tunnel.watch())
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_START, self._ordered)
        self.ctx.sio.on(EngineEvent.VPN_TUNNEL_STOP, self._ordered)

    async def stop_all(self) -> None:
        """Nothing stays up behind us."""
        if self._tunnel is not None:
            await self._tunnel.close(TunnelEnd.AGENT_SHUTDOWN.value)

    async def shut_out(self, _reason: str) -> None:
        """An Engine that shut us out gets no way in; its own end may be up still."""
        if self._tunnel is not None:
            await self._tunnel.close(TunnelEnd.DEVICE_NOT_ACTIVE.value)

    def health_report(self) -> Mapping[str, Any]:
        """Whether it is up, since when it was heard, and what is wrong."""
        if self._tunnel is None:
            return {
                "state": "running",
                "tunnel": "unavailable",
                "reason": f"No tunnel on this device: {self._missing}.",
            }
        return self._tunnel.health()

    async def _ordered(self, payload: dict[str, Any]) -> dict[str, Any]:
        assert self._tunnel is not None
        order = parse_tunnel(strict_json.canonical(payload))
        match order:
            case TunnelStart():
                return await self._tunnel.start(order)
            case TunnelStop():
                return await self._tunnel.stop(order)

    def _say(self, sentence: str) -> None:
        log_agent = self.ctx.hooks.get("log_agent")
        if log_agent is None:
            self.ctx.log(sentence)
        else:
            log_agent(sentence, fname="VPN_Tunnel/tunnel.log")

    @staticmethod
    def _driver(folders: Folders) -> Driver:
        adapter = os.environ.get("BOREALIS_WIREGUARD_ADAPTER") or ADAPTER
        if sys.platform == "win32":
            from borealis_agent.capabilities.wireguard.windows import WindowsDriver

            return WindowsDriver(folders, adapter)
        else:  # noqa: RET505  # the type check of the other platform passes over a branch, not over what follows it
            from borealis_agent.capabilities.wireguard.linux import LinuxDriver

            return LinuxDriver(folders, adapter)
