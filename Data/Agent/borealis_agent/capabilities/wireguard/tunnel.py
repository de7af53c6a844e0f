"""Carries out what ``decide`` says: one tunnel, brought up by order, watched, and taken down with us."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from borealis_agent.capabilities.wireguard import decide
from borealis_agent.capabilities.wireguard.decide import Active, Step
from borealis_agent.capabilities.wireguard.ports import Driver, DriverError
from borealis_base.clock import Clock
from borealis_wire.tunnel import TunnelEnd, TunnelStart, TunnelStop, join_endpoint

WATCH_SECONDS: Final = 5.0
RESOLVE_SECONDS: Final = 5.0


class Tunnel:
    """The device's one tunnel.

    Args:
        driver: what the system does.
        public_key: of this device.
        server_url: the Engine's address as this agent knows it.
        say: writes a line to the tunnel's log; never a key.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        public_key: str,
        server_url: Callable[[], str],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._driver = driver
        self._public_key = public_key
        self._server_url = server_url
        self._clock = clock
        self._say = say
        self._lock = asyncio.Lock()
        self._active: Active | None = None
        self._trouble = ""
        self._ended = ""

    async def start(self, order: TunnelStart) -> dict[str, Any]:
        """Follow a verified start order; gives its acknowledgement."""
        async with self._lock:
            answer = decide.ordered(self._active, order, public_key=self._public_key)
            if answer.step is Step.REFUSE:
                self._say(f"an order was refused. {answer.why}")
                active = self._active.order.tunnel_id if self._active else ""
                return {"status": "refused", "reason": "busy", "detail": answer.why, "tunnel_id": active}
            try:
                await self._follow(answer.step, order)
            except DriverError as error:
                self._trouble = str(error)
                self._say(f"the tunnel {order.tunnel_id} cannot be brought up: {error}")
                return {"status": "failed", "detail": self._trouble}
        return {"status": "accepted", "tunnel_id": order.tunnel_id}

    async def stop(self, order: TunnelStop) -> dict[str, Any]:
        """Follow a verified stop order."""
        async with self._lock:
            answer = decide.stopped(self._active, order)
            if answer.step is Step.DOWN:
                await self._down(answer.why)
        return {"status": "accepted", "tunnel_id": order.tunnel_id}

    async def close(self, reason: str) -> None:
        """Take it down, if it is up."""
        async with self._lock:
            if self._active is not None:
                await self._down(reason)

    async def watch(self) -> None:
        """Look every few seconds; a background task for as long as the role is up."""
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            async with self._lock:
                if self._active is not None:
                    try:
                        await self._look(self._active)
                    except DriverError as error:
                        self._troubled(str(error))

    def health(self) -> Mapping[str, Any]:
        """Small JSON object for operators."""
        active = self._active
        if active is None:
            state: dict[str, Any] = {"state": "running", "tunnel": "down"}
            if self._ended:
                state["ended"] = self._ended
        else:
            seen = active.state
            state = {
                "state": "degraded" if self._trouble else "running",
                "tunnel": "up",
                "tunnel_id": active.order.tunnel_id,
                "virtual_ip": active.order.virtual_ip,
                "allowed_ports": ", ".join(map(str, active.order.allowed_ports)),
                "handshake": seen.handshake if seen else 0,
                "received": seen.received if seen else 0,
                "sent": seen.sent if seen else 0,
            }
        return {**state, "reason": self._trouble} if self._trouble else state

    # --- inside, under the lock

    async def _follow(self, step: Step, order: TunnelStart) -> None:
        if step is Step.UP:
            endpoint = await self._resolve(order)
            await self._driver.up(order, endpoint)
            self._active = decide.begin(order, self._clock.monotonic(), _source_towards(endpoint))
            self._trouble = self._ended = ""
            ports = ", ".join(map(str, order.allowed_ports)) or "none"
            self._say(f"tunnel {order.tunnel_id} is up: {order.virtual_ip}, to {endpoint}, open ports: {ports}")
            return
        assert self._active is not None
        if step is Step.PORTS:
            await self._driver.open_ports(order)
            self._say(f"open ports are now: {', '.join(map(str, order.allowed_ports)) or 'none'}")
        self._active = decide.followed(self._active, order, self._clock.monotonic())
        if step is Step.AGAIN:
            await self._driver.call(order, await self._resolve(order), anew=True)

    async def _look(self, active: Active) -> None:
        # The name may mean another address by now, but it is asked for only where something is wrong.
        source = _source_towards(active.state.endpoint) if active.state else active.source
        answer = decide.watched(active, await self._driver.engine(), source, self._clock.monotonic())
        assert answer.active is not None
        self._active = answer.active
        if answer.step is Step.DOWN:
            await self._down(answer.why)
        elif answer.step is Step.REBUILD:
            self._say(f"{answer.why}; it is made again")
            await self._driver.down()
            self._active = None
            await self._follow(Step.UP, active.order)
        elif answer.step is Step.CALL:
            endpoint = await self._resolve(active.order)
            self._say(f"{answer.why}; calling {endpoint}")
            await self._driver.call(active.order, endpoint, anew=True)
            self._trouble = "" if answer.why != "no handshake" else "The Engine does not answer in the tunnel."
        elif self._trouble and answer.active.shook_hands_at > answer.active.called_at:
            self._trouble = ""

    async def _down(self, reason: str) -> None:
        active, self._active = self._active, None
        await self._driver.down()
        self._ended = reason
        self._trouble = ""
        if active is not None:
            self._say(f"tunnel {active.order.tunnel_id} is down: {reason}")

    def _troubled(self, sentence: str) -> None:
        if sentence != self._trouble:
            self._say(sentence)
        self._trouble = sentence
        if self._active is None:
            self._ended = TunnelEnd.FAILED.value

    async def _resolve(self, order: TunnelStart) -> str:
        host, port = decide.endpoint_for(order, self._server_url())
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError) as error:
            raise DriverError(f"the Engine's address {host} cannot be resolved: {error}") from error
        return join_endpoint(str(found[0][4][0]), port)


def _source_towards(endpoint: str) -> str:
    """This machine's own address on the way to an endpoint; empty where there is no way. Sends nothing."""
    address, _, port = endpoint.rpartition(":")
    address = address.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError, ValueError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, int(port)))
        return str(probe.getsockname()[0])
    return ""
