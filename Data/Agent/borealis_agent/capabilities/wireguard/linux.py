"""The tunnel on Linux: ``ip``, ``wg``, ``nft``, and ``wireguard-go`` where the kernel has no WireGuard."""

import contextlib
import sys

from borealis_agent.capabilities.wireguard.ports import DriverError, Folders
from borealis_base.files import private_folder, write_atomic
from borealis_base.wireguard.texts import Peer, PeerState, configuration
from borealis_wire.tunnel import TunnelStart

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

from borealis_base.wireguard.linux import MTU, LinuxInterface, WireGuardError, what_is_missing  # noqa: E402


class LinuxDriver:
    """Implements ``ports.Driver``."""

    def __init__(self, folders: Folders, adapter: str) -> None:
        self._folders = folders
        self._file = folders.configuration(adapter)
        self._interface = LinuxInterface(adapter)

    def missing(self) -> str:
        """Rights and programs."""
        return what_is_missing()

    async def up(self, order: TunnelStart, endpoint: str) -> None:
        """The filter is there before the first packet can be."""
        interface = self._interface
        try:
            self._write_configuration(order, endpoint)
            await interface.create()
            await interface.filter(rules(interface.table, interface.name, order))
            await interface.configure(private_key_file=self._folders.private_key)
            await interface.set_peers([_engine(order, endpoint)])
            await interface.bring_up(order.virtual_ip, [f"{order.engine_virtual_ip}/32"])
        except BaseException as error:
            await self.down()
            if isinstance(error, WireGuardError | OSError):
                raise DriverError(str(error)) from error
            raise

    async def call(self, order: TunnelStart, endpoint: str, *, anew: bool) -> None:
        """A peer that is added anew shakes hands at once."""
        try:
            self._write_configuration(order, endpoint)
            if anew:
                await self._interface.remove_peer(order.server_public_key)
            await self._interface.set_peers([_engine(order, endpoint)])
        except (WireGuardError, OSError) as error:
            raise DriverError(str(error)) from error

    async def open_ports(self, order: TunnelStart) -> None:
        """All rules are replaced in one transaction."""
        try:
            await self._interface.filter(rules(self._interface.table, self._interface.name, order))
        except WireGuardError as error:
            raise DriverError(str(error)) from error

    async def down(self) -> None:
        """Interface, filter, socket file and configuration."""
        try:
            await self._interface.remove()
        finally:
            self._file.unlink(missing_ok=True)

    async def clear(self) -> None:
        """Only where its configuration says that an earlier life had something up and could not take it away."""
        if not self._file.exists():
            return
        with contextlib.suppress(WireGuardError):  # somebody else's then
            await self._interface.clear()
        self._file.unlink(missing_ok=True)

    async def engine(self) -> PeerState | None:
        """The one peer."""
        try:
            if not await self._interface.exists():
                return None
            peers = await self._interface.peers()
        except WireGuardError as error:
            raise DriverError(str(error)) from error
        return peers[0] if peers else None

    def _write_configuration(self, order: TunnelStart, endpoint: str) -> None:
        text = configuration(
            address=order.virtual_ip,
            peers=[_engine(order, endpoint)],
            mtu=MTU,
            remark=f"tunnel {order.tunnel_id}; the private key is in {self._folders.private_key.name}",
        )
        private_folder(self._file.parent)
        write_atomic(self._file, text.encode(), mode=0o600)


def _engine(order: TunnelStart, endpoint: str) -> Peer:
    return Peer(order.server_public_key, order.allowed_ips, endpoint, order.keepalive)


def rules(table: str, interface: str, order: TunnelStart) -> str:
    """The device's half of the allow-list, as nftables commands: all replaced, or nothing.

    From the tunnel only the Engine comes in, to the allowed ports; out of it goes only what answers that. Nothing is
    passed on between the tunnel and any other network.
    """
    engine, ports = order.engine_virtual_ip, ", ".join(map(str, order.allowed_ports))
    tcp_in = f"ip saddr {engine} tcp dport {{ {ports} }} counter accept" if ports else ""
    tcp_out = f"ip daddr {engine} tcp sport {{ {ports} }} ct state established counter accept" if ports else ""
    return f"""
table inet {table} {{}}
delete table inet {table}
table inet {table} {{
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != "{interface}" accept
    {tcp_in}
    ip saddr {engine} icmp type echo-request counter accept
    counter drop
  }}
  chain output {{
    type filter hook output priority -10; policy accept;
    oifname != "{interface}" accept
    {tcp_out}
    ip daddr {engine} icmp type {{ echo-reply, destination-unreachable }} counter accept
    counter drop
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname "{interface}" counter drop
    oifname "{interface}" counter drop
  }}
}}
"""
