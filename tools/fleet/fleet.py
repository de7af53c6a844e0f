"""A fleet: connects its devices a few at a time and tells how many are there."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence

import aiohttp

from borealis_wire.keys import VerifyKey
from fleet.device import SimulatedDevice
from fleet.seed import SeededDevice

CONNECTING_AT_ONCE = 50


class Fleet:
    """Simulated devices of one Engine."""

    def __init__(
        self,
        seeded: Sequence[SeededDevice],
        *,
        url: str,
        tls: ssl.SSLContext,
        trusted: Mapping[str, VerifyKey],
        work_seconds: float = 0.0,
    ) -> None:
        self.tls = tls
        self.devices = [
            SimulatedDevice(one, url=url, tls=tls, trusted=trusted, work_seconds=work_seconds) for one in seeded
        ]

    @property
    def connected(self) -> int:
        """How many sockets are up."""
        return sum(device.connected for device in self.devices)

    async def connect(self) -> None:
        """Connect all of them."""
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def one(device: SimulatedDevice) -> None:
            async with gate:
                await device.connect()

        async with asyncio.TaskGroup() as tasks:
            for device in self.devices:
                tasks.create_task(one(device))

    async def stay(self, stop: asyncio.Event) -> None:
        """Keep all of them connected until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices:
                tasks.create_task(device.stay(stop))

    async def heartbeats(self, count: int, *, at_once: int = 50) -> dict[int, int]:
        """Send ``count`` heartbeats, one device after the other; gives how often each status came back."""
        statuses: dict[int, int] = {}
        numbers = iter(range(count))
        connector = aiohttp.TCPConnector(ssl=self.tls, limit=at_once)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:

            async def work() -> None:
                for number in numbers:
                    status = await self.devices[number % len(self.devices)].heartbeat(session)
                    statuses[status] = statuses.get(status, 0) + 1

            for _ in range(at_once):
                tasks.create_task(work())
        return statuses

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(device.close() for device in self.devices))
