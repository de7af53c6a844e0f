"""The ways to a port of a device: the tunnel; or loopback, for the agent on the Engine's own machine."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Collection
from typing import Final
from urllib.parse import urlsplit

from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.devices import DeviceRecord
from borealis_engine.lines import Place, Way
from borealis_engine.operators.permissions import Principal
from borealis_engine.tunnel import TunnelService
from borealis_wire.tunnel import join_endpoint, split_endpoint

LOOPBACK: Final = "127.0.0.1"


class LocalWay:
    """Devices that call from this machine are reached on it, where a setting says so; all others by ``beyond``.

    An Engine cannot have a tunnel to the machine that it runs on. What lets anybody in is the sealed order there too.
    """

    def __init__(self, beyond: Way) -> None:
        self._beyond = beyond

    @contextlib.asynccontextmanager
    async def to(
        self, principal: Principal, record: DeviceRecord, *, port: int, host: str, address: str
    ) -> AsyncIterator[Place]:
        """As ``lines.Way``."""
        if _is_loopback(record.address):
            yield Place(LOOPBACK, port, asyncio.Event())
            return
        async with self._beyond.to(principal, record, port=port, host=host, address=address) as place:
            yield place

    @contextlib.asynccontextmanager
    async def there(self, record: DeviceRecord, *, port: int) -> AsyncIterator[Place]:
        """As ``lines.Way``."""
        if _is_loopback(record.address):
            yield Place(LOOPBACK, port, asyncio.Event())
            return
        async with self._beyond.there(record, port=port) as place:
            yield place


class TunnelWay:
    """Through the device's tunnel, which is brought up where there is none."""

    def __init__(self, tunnels: TunnelService, settings: TunnelSettings, *, public_url: str) -> None:
        self._tunnels = tunnels
        self._settings = settings
        self._public_url = public_url

    @contextlib.asynccontextmanager
    async def to(
        self, principal: Principal, record: DeviceRecord, *, port: int, host: str, address: str
    ) -> AsyncIterator[Place]:
        """As ``lines.Way``."""
        await self._tunnels.connect(principal, record.guid, host=self._called(host), address=address)
        async with self.there(record, port=port) as place:
            yield place

    @contextlib.asynccontextmanager
    async def there(self, record: DeviceRecord, *, port: int) -> AsyncIterator[Place]:
        """As ``lines.Way``."""
        with self._tunnels.reach(record.guid, port) as reached:
            yield Place(reached.address, reached.port, reached.ended)

    def _called(self, host: str) -> str:
        """What devices call: what people call the Engine by. ``localhost``: the address that they know it by."""
        with contextlib.suppress(ValueError):
            named = urlsplit(self._public_url or f"//{host}").hostname or ""
            return split_endpoint(join_endpoint(named, self._settings.port))[0]
        return "localhost"


class KnownTunnels:
    """What is known of devices' tunnels; implements ``rdp.ports.Tunnels``."""

    def __init__(self, tunnels: TunnelService) -> None:
        self._tunnels = tunnels

    def allowed(self, record: DeviceRecord) -> Collection[int]:
        """As ``rdp.ports.Tunnels``."""
        return self._tunnels.ports(record).ports

    def tunnel_id(self, guid: str) -> str:
        """As ``rdp.ports.Tunnels``."""
        lease = self._tunnels.lease(guid)
        return "" if lease is None else lease.tunnel_id


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
