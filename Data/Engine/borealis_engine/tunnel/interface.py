"""The Engine's interface for many callers: one change at a time; made for the first device, gone with the last."""

import asyncio
from collections.abc import Callable, Sequence

from borealis_base.wireguard.texts import PeerState
from borealis_engine.core.log import get_logger
from borealis_engine.tunnel.ports import DevicePeer, Wires, WiresError

log = get_logger("VPN_Tunnel/tunnel")


class Interface:
    """``wanted``: the peers there should be now, whoever asks."""

    def __init__(self, wires: Wires, wanted: Callable[[], Sequence[DevicePeer]]) -> None:
        self._wires = wires
        self._wanted = wanted
        self._lock = asyncio.Lock()
        self._closed = False

    def missing(self) -> str:
        """Why there can be none."""
        return self._wires.missing()

    async def clear(self) -> None:
        """At start: nothing of an earlier life stays."""
        await self._wires.clear()

    async def add(self, peer: DevicePeer) -> None:
        """Let a device in. Raises ``WiresError``."""
        async with self._lock:
            if self._wires.is_up:
                await self._wires.add(peer)
            else:
                await self._make()

    async def remove(self, peer: DevicePeer) -> None:
        """Shut a device out, whatever it takes; never raises but for cancellation."""
        async with self._lock:
            if not self._wires.is_up:
                return
            if not self._wanted():
                await self._wires.down()
                log.info("the interface is down: no device is connected")
                return
            try:
                await self._wires.remove(peer)
            except WiresError as error:
                # Whoever is shut out must be out: better all of them shake hands again than one stays in.
                log.error("a peer could not be removed; the interface is made anew", reason=str(error))
                await self._remake()

    async def change_ports(self, before: DevicePeer, after: DevicePeer) -> None:
        """Another allow-list."""
        async with self._lock:
            if not self._wires.is_up:
                return
            try:
                await self._wires.change_ports(before, after)
            except WiresError as error:
                log.error("a filter could not be changed; the interface is made anew", reason=str(error))
                await self._remake()

    async def look(self) -> list[PeerState]:
        """The peers as they are; makes the interface where there should be one and is none."""
        async with self._lock:
            if self._closed:
                return []
            if not self._wanted():
                if self._wires.is_up:
                    await self._wires.down()
                return []
            if not self._wires.is_up:
                await self._make()
            try:
                return await self._wires.peers()
            except WiresError as error:
                log.error("the interface cannot be read; it is made anew", reason=str(error))
                await self._remake()
                return await self._wires.peers()

    async def close(self) -> None:
        """For the end of the Engine: it is not made again."""
        async with self._lock:
            self._closed = True
            await self._wires.down()

    async def _make(self) -> None:
        if self._closed:
            raise WiresError("the Engine ends")
        peers = list(self._wanted())
        await self._wires.up(peers)
        log.info("the interface is up", peers=len(peers))

    async def _remake(self) -> None:
        await self._wires.down()
        try:
            await self._make()
        except WiresError as error:
            log.error("the interface cannot be made; tried again soon", reason=str(error))
