"""An Engine whose interface is a dictionary, and devices that bring tunnels up, for tests of the tunnel service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Rest, open_rest
from tests.fakes.fake_wires import FakeWires

from borealis_base.tasks import Supervisor
from borealis_base.wireguard.keys import pair_from
from borealis_engine.activity import RunQuery, UseRecorder
from borealis_engine.core.errors import EngineError
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.tunnel import Lease, TunnelService, make_tunnels
from borealis_wire.envelope import TUNNEL_TYPE, open_envelope
from borealis_wire.events import EngineEvent, RunContext
from borealis_wire.tunnel import TunnelStart, TunnelStop, parse_tunnel

SYSTEM = RunContext.SYSTEM
KEYS = [pair_from(bytes([number]) * 32).public for number in range(1, 9)]
OLGA = Principal(7, "olga", OperatorRole.OPERATOR)


class World:
    """An Engine whose interface is a dictionary, and devices that say yes unless told otherwise."""

    def __init__(self, rest: Rest, tasks: Supervisor) -> None:
        self.rest = rest
        self.tasks = tasks
        self.wires = FakeWires()
        self.orders: list[TunnelStart | TunnelStop] = []
        self.said: dict[str, Any] | None = {"status": "accepted"}
        self.up: dict[str, str] = {}
        rest.link.sealed_answer = self._hear
        self.tunnels = self.make()

    def make(self) -> TunnelService:
        services = self.rest.services
        made = make_tunnels(
            services.settings,
            db=services.db,
            clock=services.clock,
            randomness=services.randomness,
            uses=self.uses(),
            devices=services.devices,
            signing=services.signing,
            wires=self.wires,
        )
        made.bind_link(self.rest.link)
        return made

    def uses(self) -> UseRecorder:
        services = self.rest.services
        return UseRecorder(
            db=services.db,
            clock=services.clock,
            feed=services.feed,
            randomness=services.randomness,
            activity=services.activity,
        )

    async def rows(self) -> list[tuple[str, str, str]]:
        """What activity has of tunnels, newest first: name, status, why it ended."""
        found, _ = await self.rest.services.jobs.history.page(RunQuery(kind="vpn_tunnel"))
        return [(row["run_id"], row["status"], row["reason"]) for row in found]

    async def begin(self) -> None:
        await self.uses().start()
        await self.tunnels.start()
        self._loop = self.tasks.start("tunnels", self.tunnels.run_loop())
        await self.settle()

    async def restart(self, *, away: float = 0.0) -> None:
        """The Engine's next life, with an interface of its own, ``away`` seconds later."""
        await self.tunnels.close()
        self._loop.cancel()
        await asyncio.wait([self._loop])
        self.rest.people.clock.advance(away)
        self.wires = FakeWires()
        self.tunnels = self.make()
        await self.begin()

    async def device(self, number: int = 1, *, site: int | None = None) -> str:
        auth = await self.rest.add_device(f"lab-{number}", site_id=site)
        guid = auth.guid
        self.rest.link.sessions.add((guid, SYSTEM))
        self.tunnels.device_ready(guid, SYSTEM, KEYS[number])
        return guid

    @property
    def owner(self) -> Principal:
        return self.rest.people.owner

    async def connect(self, guid: str, principal: Principal | None = None) -> Lease:
        return await self.tunnels.connect(principal or self.owner, guid, host="engine.example", address="")

    async def settle(self) -> None:
        for _ in range(15):
            await asyncio.sleep(0.002)

    async def tick(self, seconds: float = 10.0) -> None:
        self.rest.people.clock.advance(seconds)
        await self.settle()

    async def audited(self) -> list[str]:
        entries = await self.rest.people.entries()
        return [entry.action for entry in reversed(entries) if entry.action.startswith("tunnel.")]

    def stops(self) -> list[str]:
        return [order.reason for order in self.orders if isinstance(order, TunnelStop)]

    def _hear(self, event: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        keys = {key.key_id: key for key in self.rest.services.signing.public_keys}
        order = parse_tunnel(open_envelope(payload["envelope"], expected_type=TUNNEL_TYPE, trusted=keys).payload)
        assert (event == EngineEvent.VPN_TUNNEL_START) == isinstance(order, TunnelStart)
        self.orders.append(order)
        if self.said is None or self.said["status"] != "accepted":
            return self.said
        up = self.up.get(order.device_guid)
        if isinstance(order, TunnelStop):
            if up == order.tunnel_id:
                del self.up[order.device_guid]
        elif up not in {None, order.tunnel_id}:
            return {"status": "refused", "reason": "busy", "tunnel_id": up}
        else:
            self.up[order.device_guid] = order.tunnel_id
        return self.said


@contextlib.asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    async with open_rest(folder) as rest, Supervisor() as tasks:
        world = World(rest, tasks)
        await world.begin()
        try:
            yield world
        finally:
            tasks.cancel_all()


async def failure(work: Any) -> str:
    with pytest.raises(EngineError) as found:
        await work
    return found.value.code
