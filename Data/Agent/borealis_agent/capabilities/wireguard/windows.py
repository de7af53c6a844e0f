"""The tunnel on Windows: the tunnel service that WireGuard for Windows installs, and rules of the system's firewall.

Typed and read, not run: there is no Windows on the machines where this was made.
"""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.wireguard.ports import DriverError, Folders
from borealis_base.files import private_folder, write_atomic
from borealis_base.wireguard.programs import Done, run_program
from borealis_base.wireguard.texts import Peer, PeerState, configuration, parse_dump
from borealis_wire.tunnel import TunnelStart

UP_SECONDS: Final = 15.0


class WindowsDriver:
    """Implements ``ports.Driver``. The service reads its key from the configuration, which only SYSTEM may read."""

    def __init__(self, folders: Folders, adapter: str) -> None:
        self._folders = folders
        self._adapter = adapter
        self._file = folders.configuration(adapter)

    def missing(self) -> str:
        """The program."""
        return "" if self._program("wireguard.exe") else "WireGuard for Windows is not installed"

    async def up(self, order: TunnelStart, endpoint: str) -> None:
        """Rules first: what is not allowed is blocked before the first packet can be."""
        try:
            await self.clear()
            self._write(order, endpoint)
            await self.open_ports(order)
            await self._must(self._program("wireguard.exe"), "/installtunnelservice", str(self._file))
            await self._wait_up()
        except BaseException as error:
            await self.down()
            if isinstance(error, OSError):
                raise DriverError(str(error)) from error
            raise

    async def call(self, order: TunnelStart, endpoint: str, *, anew: bool) -> None:
        """A peer that is added anew shakes hands at once."""
        try:
            self._write(order, endpoint)
        except OSError as error:
            raise DriverError(str(error)) from error
        wg = self._program("wg.exe")
        if anew:
            await self._must(wg, "set", self._adapter, "peer", order.server_public_key, "remove")
        await self._must(wg, "set", self._adapter, *_engine(order, endpoint).arguments())

    async def open_ports(self, order: TunnelStart) -> None:
        """One rule lets the Engine in; whatever else comes by the tunnel is blocked by ranges around the ports."""
        await self._remove_rules()
        if order.allowed_ports:
            await self._rule("allow", order, ",".join(map(str, order.allowed_ports)))
        # A block rule wins over every allow rule, so it must leave out exactly the ports that are open.
        await self._rule("block", order, closed_ranges(order.allowed_ports))

    async def down(self) -> None:
        """Service, adapter, rules, configuration."""
        program = self._program("wireguard.exe")
        if program:
            await self._do(program, "/uninstalltunnelservice", self._adapter)
        await self._remove_rules()
        self._file.unlink(missing_ok=True)

    async def clear(self) -> None:
        """The service outlives us; take it away where an earlier life left it."""
        if self._file.exists():
            await self.down()

    async def engine(self) -> PeerState | None:
        """The one peer."""
        done = await self._do(self._program("wg.exe"), "show", self._adapter, "dump")
        if done.code != 0:
            return None
        try:
            peers = parse_dump(done.output)
        except ValueError as error:
            raise DriverError(f"wg show {self._adapter} dump cannot be read: {error}") from error
        return peers[0] if peers else None

    def _write(self, order: TunnelStart, endpoint: str) -> None:
        text = configuration(
            address=order.virtual_ip,
            peers=[_engine(order, endpoint)],
            private_key=self._folders.private_key.read_text("ascii").strip(),
        )
        private_folder(self._file.parent)
        write_atomic(self._file, text.encode(), mode=0o600)

    async def _wait_up(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UP_SECONDS
        while await self.engine() is None:
            if loop.time() > deadline:
                raise DriverError(f"the service WireGuardTunnel${self._adapter} did not come up")
            await asyncio.sleep(0.2)

    async def _rule(self, action: str, order: TunnelStart, ports: str) -> None:
        await self._must(
            "netsh",
            "advfirewall",
            "firewall",
            "add",
            "rule",
            f"name={self._rule_name}",
            "dir=in",
            f"action={action}",
            "protocol=TCP",
            f"localip={order.virtual_ip.removesuffix('/32')}",
            f"localport={ports}",
            *([f"remoteip={order.engine_virtual_ip}"] if action == "allow" else []),
        )

    async def _remove_rules(self) -> None:
        await self._do("netsh", "advfirewall", "firewall", "delete", "rule", f"name={self._rule_name}")

    @property
    def _rule_name(self) -> str:
        return f"Borealis-WG-{self._adapter}"

    @staticmethod
    def _program(name: str) -> str:
        folder = Path(os.environ.get("PROGRAMFILES") or r"C:\Program Files") / "WireGuard"
        return shutil.which(name, path=str(folder)) or ""

    async def _must(self, *command: str) -> Done:
        done = await self._do(*command)
        if done.code != 0:
            raise DriverError(f"{Path(command[0]).name} {command[1]} failed: {done.said}")
        return done

    @staticmethod
    async def _do(*command: str) -> Done:
        try:
            return await run_program(command)
        except (OSError, TimeoutError) as error:
            return Done(-1, "", str(error))


def closed_ranges(open_ports: tuple[int, ...]) -> str:
    """Every port but these, as netsh writes it: ``1-3388,3390-65535``."""
    ranges, first = [], 1
    for port in (*sorted(open_ports), 65536):
        if port > first:
            ranges.append(str(first) if port - 1 == first else f"{first}-{port - 1}")
        first = port + 1
    return ",".join(ranges)


def _engine(order: TunnelStart, endpoint: str) -> Peer:
    return Peer(order.server_public_key, order.allowed_ips, endpoint, order.keepalive)
