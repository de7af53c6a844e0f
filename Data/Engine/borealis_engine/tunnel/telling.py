"""Orders to devices: sealed here, sent, and their answers read."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.core.ids import Randomness
from borealis_engine.core.tunnel_settings import TunnelSettings
from borealis_engine.tunnel.models import Lease
from borealis_engine.tunnel.ports import Sealer, TunnelLink
from borealis_wire.envelope import TUNNEL_TYPE
from borealis_wire.events import REFUSAL_ADVICE, EngineEvent, RefusalCode, RunContext
from borealis_wire.messages import agent_id
from borealis_wire.tunnel import TUNNEL_ORDER_SECONDS, TunnelStart, TunnelStop

ANSWER_SECONDS: Final = 25.0
"""Bringing an interface up takes a device a second; one that has to end another program's first, ten."""


@dataclass(frozen=True, slots=True)
class Busy(Exception):
    """The device has another tunnel up, of this id."""

    tunnel_id: str


class Teller:
    """Speaks to devices about tunnels."""

    def __init__(
        self, *, settings: TunnelSettings, signing: Sealer, clock: Clock, randomness: Randomness, server_key: str = ""
    ) -> None:
        self._settings = settings
        self._signing = signing
        self._clock = clock
        self._randomness = randomness
        self.server_key = server_key
        self.link: TunnelLink | None = None

    def reachable(self, guid: str) -> bool:
        """Whether the SYSTEM agent of a device is connected."""
        return self.link is not None and self.link.has_session(guid, RunContext.SYSTEM)

    def start_order(self, lease: Lease) -> TunnelStart:
        """The order that brings a lease's tunnel up, or changes its ports."""
        now = self._clock.now()
        settings = self._settings
        return TunnelStart(
            order_id=self._randomness.uuid(),
            device_guid=lease.guid,
            agent_id=agent_id(lease.hostname, lease.guid, "SYSTEM"),
            tunnel_id=lease.tunnel_id,
            virtual_ip=f"{lease.address}/32",
            engine_virtual_ip=str(settings.engine_address),
            allowed_ips=f"{settings.engine_address}/32",
            endpoint=lease.endpoint,
            server_public_key=self.server_key,
            client_public_key=lease.public_key,
            allowed_ports=lease.ports,
            idle_seconds=settings.idle_seconds,
            issued_at=now,
            expires_at=now + TUNNEL_ORDER_SECONDS,
            connected_operators=len(lease.operators),
        )

    async def start(self, lease: Lease) -> None:
        """Have the device bring it up. One that has another tunnel, which we know nothing of any more, ends that first.

        Raises:
            Conflict: it is not connected, refused, or could not.
            Unavailable: it did not answer.
        """
        try:
            await self._start(lease)
        except Busy as busy:
            if not busy.tunnel_id or busy.tunnel_id == lease.tunnel_id:
                raise Conflict("tunnel_refused", "The device has another tunnel up. Try again shortly.") from busy
            await self.stop(lease, reason="replaced", tunnel_id=busy.tunnel_id)
            try:
                await self._start(lease)
            except Busy as again:
                raise Conflict("tunnel_refused", "The device has another tunnel up. Try again shortly.") from again

    async def stop(self, lease: Lease, *, reason: str, tunnel_id: str = "") -> bool:
        """Have the device take a tunnel down; whether it heard."""
        if not self.reachable(lease.guid):
            return False
        with contextlib.suppress(EngineError):
            order = self._stop_order(lease, reason, tunnel_id or lease.tunnel_id)
            said = await self._send(EngineEvent.VPN_TUNNEL_STOP, lease.guid, order)
            return said.get("status") == "accepted"
        return False

    def farewell(self, lease: Lease, *, reason: str) -> dict[str, Any]:
        """The order to take a tunnel down, sealed, for a device whose socket is about to be cut."""
        return self._sealed(self._stop_order(lease, reason, lease.tunnel_id))

    def _stop_order(self, lease: Lease, reason: str, tunnel_id: str) -> TunnelStop:
        now = self._clock.now()
        return TunnelStop(
            order_id=self._randomness.uuid(),
            device_guid=lease.guid,
            agent_id=agent_id(lease.hostname, lease.guid, "SYSTEM"),
            tunnel_id=tunnel_id,
            reason=reason,
            issued_at=now,
            expires_at=now + TUNNEL_ORDER_SECONDS,
        )

    async def _start(self, lease: Lease) -> None:
        said = await self._send(EngineEvent.VPN_TUNNEL_START, lease.guid, self.start_order(lease))
        if said.get("status") == "accepted":
            lease.told, lease.told_at, lease.detail = True, self._clock.monotonic(), ""
            return
        reason, detail = str(said.get("reason", "")), str(said.get("detail", ""))[:500]
        if said.get("status") == "refused" and reason == RefusalCode.BUSY and "tunnel_id" in said:
            if said["tunnel_id"]:
                raise Busy(str(said["tunnel_id"])[:64])
            raise Conflict("tunnel_refused", f"The device refused the order. {detail}")
        if reason in set(RefusalCode):
            advice = REFUSAL_ADVICE[RefusalCode(reason)]
            raise Conflict("tunnel_refused", f"The device refused the order ({reason}). {advice}")
        raise Conflict("tunnel_failed", f"The device could not bring the tunnel up: {detail or 'it did not say why'}")

    def _sealed(self, order: TunnelStart | TunnelStop) -> dict[str, Any]:
        # Upstream's fields go along in clear for whoever reads along; the agent believes the envelope alone.
        return {**order.to_json(), "envelope": self._signing.seal(TUNNEL_TYPE, order.to_payload())}

    async def _send(self, event: EngineEvent, guid: str, order: TunnelStart | TunnelStop) -> dict[str, Any]:
        assert self.link is not None
        payload = self._sealed(order)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await self.link.send_sealed(event, guid, RunContext.SYSTEM, payload)
        except TimeoutError as error:
            raise Unavailable("tunnel_timeout", f"The device did not answer in {ANSWER_SECONDS:g} s.") from error
        if said is None:
            raise Conflict("not_connected", "The device lost its connection. Try again when it is back.")
        return said
