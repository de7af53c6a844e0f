"""The device's tunnel over a driver that is a few variables: what is done, in which order, and what is told."""

import asyncio
import dataclasses
from typing import Any

from tests.fakes.fake_clock import FakeClock
from tests.unit.wire.test_wire_tunnel import OTHER_KEY, START, STOP

from borealis_agent.capabilities.wireguard.linux import rules
from borealis_agent.capabilities.wireguard.ports import DriverError
from borealis_agent.capabilities.wireguard.tunnel import WATCH_SECONDS, Tunnel
from borealis_agent.capabilities.wireguard.windows import closed_ranges
from borealis_base.tasks import Supervisor
from borealis_base.wireguard.texts import PeerState
from borealis_wire.tunnel import TunnelStart

ORDER = dataclasses.replace(START, endpoint="127.0.0.1:30000")


class FakeDriver:
    """Implements ``ports.Driver``."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails = ""
        self.state: PeerState | None = None

    def missing(self) -> str:
        return ""

    async def up(self, order: TunnelStart, endpoint: str) -> None:
        if self.fails:
            raise DriverError(self.fails)
        self.done.append(f"up {endpoint}")
        self.state = PeerState(order.server_public_key, endpoint, order.allowed_ips, 1, 0, 0)

    async def call(self, order: TunnelStart, endpoint: str, *, anew: bool) -> None:
        self.done.append(f"call {endpoint}{' anew' if anew else ''}")

    async def open_ports(self, order: TunnelStart) -> None:
        self.done.append(f"ports {order.allowed_ports}")

    async def down(self) -> None:
        self.done.append("down")
        self.state = None

    async def clear(self) -> None:
        """Nothing is left here."""

    async def engine(self) -> PeerState | None:
        return self.state


class World:
    def __init__(self) -> None:
        self.driver, self.clock, self.said = FakeDriver(), FakeClock(), list[str]()
        self.tunnel = Tunnel(
            self.driver,
            public_key=OTHER_KEY,
            server_url=lambda: "https://127.0.0.1:5000",
            clock=self.clock,
            say=self.said.append,
        )


async def test_a_tunnel_from_order_to_order() -> None:
    world = World()
    assert await world.tunnel.start(ORDER) == {"status": "accepted", "tunnel_id": "aa"}
    assert (await world.tunnel.start(ORDER))["status"] == "accepted"
    assert (await world.tunnel.start(dataclasses.replace(ORDER, allowed_ports=(22,))))["status"] == "accepted"
    assert world.tunnel.health()["tunnel"] == "up"
    assert (await world.tunnel.stop(STOP))["status"] == "accepted"
    assert world.driver.done == [
        "up 127.0.0.1:30000",
        "call 127.0.0.1:30000 anew",
        "ports (22,)",
        "down",
    ]
    assert world.tunnel.health() == {"state": "running", "tunnel": "down", "ended": "operator_stop"}


async def test_rejects_another_tunnel_and_names_the_one_that_is_up() -> None:
    world = World()
    await world.tunnel.start(ORDER)
    answer = await world.tunnel.start(dataclasses.replace(ORDER, tunnel_id="bb"))
    assert (answer["status"], answer["reason"], answer["tunnel_id"]) == ("refused", "busy", "aa")
    assert len(world.driver.done) == 1


async def test_what_fails_is_told_and_leaves_nothing_up() -> None:
    world = World()
    world.driver.fails = "there is no wireguard-go"
    assert await world.tunnel.start(ORDER) == {"status": "failed", "detail": "there is no wireguard-go"}
    assert world.tunnel.health()["tunnel"] == "down"
    world.driver.fails = ""
    assert (await world.tunnel.start(ORDER))["status"] == "accepted"
    assert "reason" not in world.tunnel.health()


async def test_an_interface_that_vanished_is_made_again() -> None:
    world = World()
    async with Supervisor() as tasks:
        await world.tunnel.start(ORDER)
        tasks.start("watch", world.tunnel.watch())
        await _turns()
        world.driver.state = None
        world.clock.advance(WATCH_SECONDS)
        await _until(lambda: world.driver.done.count("up 127.0.0.1:30000") == 2)
        tasks.cancel_all()
    assert world.tunnel.health()["tunnel"] == "up"


async def test_survives_a_watch_whose_look_fails() -> None:
    world = World()
    async with Supervisor() as tasks:
        await world.tunnel.start(ORDER)
        tasks.start("watch", world.tunnel.watch())
        await _turns()

        async def broken() -> PeerState | None:
            raise DriverError("wg cannot be started")

        world.driver.engine = broken  # type: ignore[method-assign]
        world.clock.advance(WATCH_SECONDS)
        await _until(lambda: world.tunnel.health().get("reason") == "wg cannot be started")
        assert world.tunnel.health()["state"] == "degraded"
        tasks.cancel_all()
    await world.tunnel.close("agent_shutdown")
    assert world.driver.done[-1] == "down"


def test_the_filter_lets_in_the_engine_and_the_ports_and_nothing_else() -> None:
    text = rules("wg_x", "x", ORDER)
    assert "ip saddr 10.255.0.1 tcp dport { 3389, 47002 } counter accept" in text
    assert text.count("counter drop") == 4
    closed = rules("wg_x", "x", dataclasses.replace(ORDER, allowed_ports=()))
    assert "tcp" not in closed
    assert closed.count("counter drop") == 4


def test_on_windows_every_other_port_is_blocked() -> None:
    assert closed_ranges((3389, 47002)) == "1-3388,3390-47001,47003-65535"
    assert closed_ranges(()) == "1-65535"
    assert closed_ranges((1, 2, 4, 65535)) == "3,5-65534"


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
