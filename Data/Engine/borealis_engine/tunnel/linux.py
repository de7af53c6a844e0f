"""The Engine's interface on Linux."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from borealis_base.wireguard.linux import LinuxInterface, WireGuardError, what_is_missing
from borealis_base.wireguard.texts import Peer, PeerState, is_interface_name
from borealis_engine.core.errors import Fatal
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.tunnel import rules
from borealis_engine.tunnel.ports import DevicePeer, WiresError

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

NETWORKS: Final = Path("/sys/class/net")


class LinuxWires:
    """Implements ``ports.Wires``."""

    def __init__(self, settings: TunnelSettings, private_key: Path) -> None:
        if not is_interface_name(settings.interface):
            raise Fatal(
                "bad_setting",
                "BOREALIS_WIREGUARD_INTERFACE is a letter, then letters, digits, - and _, 15 characters in all.",
            )
        self._settings = settings
        self._private_key = private_key
        self._interface = LinuxInterface(settings.interface)
        self._up = False

    @property
    def is_up(self) -> bool:
        """Whether the interface was made."""
        return self._up

    def missing(self) -> str:
        """Rights and programs."""
        return what_is_missing()

    async def clear(self) -> None:
        """Only where there is something: an Engine that starts changes nothing of its machine's network."""
        if (NETWORKS / self._interface.name).exists():
            with contextlib.suppress(WireGuardError):  # somebody else's then
                await self._interface.clear()

    async def up(self, peers: Sequence[DevicePeer]) -> None:
        """The filter is there before the first packet can be."""
        interface, settings = self._interface, self._settings
        try:
            await interface.create()
            await interface.filter(rules.table(interface.table, interface.name, peers))
            await interface.configure(private_key_file=self._private_key, listen_port=settings.port)
            await interface.set_peers([_peer(peer) for peer in peers])
            await interface.bring_up(f"{settings.engine_address}/32", [str(settings.network)])
        except BaseException as error:
            await interface.remove()
            if isinstance(error, WireGuardError):
                raise WiresError(str(error)) from error
            raise
        self._up = True

    async def down(self) -> None:
        """Interface, filter, socket file."""
        self._up = False
        await self._interface.remove()

    async def add(self, peer: DevicePeer) -> None:
        """First the filter, then the peer."""
        await self._filter(rules.change(self._interface.table, open_=[(peer.address, port) for port in peer.ports]))
        try:
            await self._interface.set_peers([_peer(peer)])
        except WireGuardError as error:
            raise WiresError(str(error)) from error

    async def remove(self, peer: DevicePeer) -> None:
        """First the peer, then the filter."""
        try:
            await self._interface.remove_peer(peer.public_key)
        except WireGuardError as error:
            raise WiresError(str(error)) from error
        await self._filter(rules.change(self._interface.table, close=[(peer.address, port) for port in peer.ports]))

    async def change_ports(self, before: DevicePeer, after: DevicePeer) -> None:
        """In one transaction."""
        gone, come = set(before.ports) - set(after.ports), set(after.ports) - set(before.ports)
        await self._filter(
            rules.change(
                self._interface.table,
                close=[(before.address, port) for port in sorted(gone)],
                open_=[(after.address, port) for port in sorted(come)],
            )
        )

    async def peers(self) -> list[PeerState]:
        """What ``wg`` shows."""
        try:
            return await self._interface.peers()
        except WireGuardError as error:
            raise WiresError(str(error)) from error

    async def _filter(self, text: str) -> None:
        if not text:
            return
        try:
            await self._interface.filter(text)
        except WireGuardError as error:
            raise WiresError(str(error)) from error


def _peer(peer: DevicePeer) -> Peer:
    return Peer(peer.public_key, f"{peer.address}/32")
