"""Who has a tunnel: connecting, sharing, letting go, idling, being shut out, and the next life of the Engine."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engine.tunnel.tunnel_world import KEYS, OLGA, SYSTEM, failure, open_world

from borealis_engine.core.errors import Conflict, Invalid, NotFound, Unavailable
from borealis_engine.devices import DeviceEdit
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal
from borealis_wire.envelope import TUNNEL_TYPE, open_envelope
from borealis_wire.events import RunContext
from borealis_wire.tunnel import TunnelStart, TunnelStop, parse_tunnel


async def test_a_tunnel_is_made_shared_and_ended_with_the_last_operator(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        first = await world.connect(guid)
        second = await world.connect(guid, OLGA)
        assert first is second
        assert list(first.operators) == ["owner", "olga"]
        assert len(world.orders) == 1, "a device that has it up is not asked again"
        assert set(world.wires.there) == {KEYS[1]}
        _, left = await world.tunnels.disconnect(world.owner, name=guid, address="")
        assert left is first
        _, left = await world.tunnels.disconnect(OLGA, tunnel_id=first.tunnel_id, address="")
        await world.settle()
        assert left is None
        assert not world.wires.is_up, "nothing is up that nobody needs"
        assert world.stops() == ["operator_stop"]
        assert first.ended.is_set()
        assert await world.audited() == ["tunnel.connect", "tunnel.connect", "tunnel.leave", "tunnel.end"]
        (past,) = await world.tunnels.history(world.owner, guid)
        assert (past.status, past.reason, past.started_by) == ("Completed", "operator_stop", "owner")


async def test_the_order_carries_public_halves_and_one_address_each(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        await world.connect(guid)
        (order,) = world.orders
        assert isinstance(order, TunnelStart)
        assert (order.device_guid, order.client_public_key) == (guid, KEYS[1])
        assert (order.virtual_ip, order.allowed_ips) == ("10.255.0.2/32", "10.255.0.1/32")
        assert order.endpoint == "engine.example:30000"
        assert order.expires_at - order.issued_at == 60


async def test_rejects_letting_go_of_what_others_hold_unless_for_everybody(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        await world.connect(guid)
        assert await failure(world.tunnels.disconnect(OLGA, name=guid, address="")) == "not_yours"
        _, left = await world.tunnels.disconnect(OLGA, name=guid, everybody=True, address="")
        assert left is None


async def test_rejects_devices_that_cannot(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        world.tunnels.device_ready(guid, SYSTEM, "")
        assert await failure(world.connect(guid)) == "tunnel_unsupported"
        world.tunnels.device_ready(guid, SYSTEM, "no key")
        assert await failure(world.connect(guid)) == "tunnel_unsupported"
        world.rest.link.sessions.clear()
        assert await failure(world.connect(guid)) == "not_connected"
        assert await failure(world.connect("nobody")) == "device_not_found"
        await world.rest.services.devices.deeds.set_status(world.owner, guid, "quarantined", address="")
        assert await failure(world.connect(guid)) == "device_not_active"
        assert world.orders == []


async def test_rejects_devices_out_of_sight_everywhere(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        lease = await world.connect(guid)
        stranger = Principal(8, "sam", OperatorRole.ADMIN, sites=frozenset({77}))
        assert await failure(world.connect(guid, stranger)) == "device_not_found"
        disconnect = world.tunnels.disconnect(stranger, tunnel_id=lease.tunnel_id, address="")
        assert await failure(disconnect) == "device_not_found"
        assert await failure(world.tunnels.set_ports(stranger, guid, [22], address="")) == "device_not_found"
        assert await failure(world.tunnels.history(stranger, guid)) == "device_not_found"
        with pytest.raises(NotFound):
            world.tunnels.status(stranger, guid)
        assert world.tunnels.active(stranger) == []


async def test_a_device_that_fails_or_is_silent_leaves_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        for said, code in (
            ({"status": "failed", "detail": "there is no wireguard-go"}, "tunnel_failed"),
            ({"status": "refused", "reason": "expired"}, "tunnel_refused"),
            (None, "not_connected"),
        ):
            world.said = said
            assert await failure(world.connect(guid)) == code
            assert not world.wires.is_up
            assert world.tunnels.statistics()["tunnels"] == 0
        world.said = {"status": "accepted"}
        assert (await world.connect(guid)).address == "10.255.0.2", "and its address is free again"


async def test_a_device_with_a_tunnel_that_is_forgotten_here_ends_that_first(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        world.up[guid] = "a tunnel of another life"
        lease = await world.connect(guid)
        assert world.up[guid] == lease.tunnel_id
        assert world.stops() == ["replaced"]


async def test_an_engine_without_wireguard_says_why(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.wires.why_missing = "it does not run as root"
        await world.restart()
        world.wires.why_missing = "it does not run as root"
        await world.tunnels.start()
        guid = await world.device()
        assert await failure(world.connect(guid)) == "tunnel_unavailable"
        assert "root" in world.tunnels.unavailable


async def test_an_interface_that_cannot_be_made_is_told_and_nothing_stays(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        world.wires.broken = True
        with pytest.raises(Unavailable, match="broken"):
            await world.connect(guid)
        assert world.tunnels.statistics()["tunnels"] == 0
        assert world.orders == []


async def test_a_tunnel_ends_when_nobody_used_it_and_not_before(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        used, unused, bumped = [await world.device(number) for number in (1, 2, 3)]
        for guid in (used, unused, bumped):
            await world.connect(guid)
        for tick in range(1, 32):
            world.wires.counters[KEYS[1]] = (1, 0, 5000 * tick)
            world.wires.counters[KEYS[2]] = (tick // 4 + 1, 10_000 * tick, 0)
            if tick % 10 == 0:
                world.tunnels.status(world.owner, bumped, bump=True)
            await world.tick(30)
        assert [lease.guid for lease in world.tunnels.active(world.owner)] == [used, bumped]
        assert world.stops() == ["idle_timeout"]
        again = [o for o in world.orders if isinstance(o, TunnelStart) and o.device_guid == bumped]
        assert len(again) >= 2, "the device is told that its tunnel is wanted, though nothing goes through it"


async def test_revoking_and_quarantine_end_a_tunnel_at_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        await world.connect(guid)
        await world.rest.services.devices.deeds.set_status(world.owner, guid, "revoked", address="")
        await world.settle()
        assert not world.wires.is_up
        (past,) = await world.tunnels.history(world.owner, guid)
        assert past.reason == "device_not_active"


async def test_the_last_word_to_a_device_that_is_shut_out_ends_its_tunnel(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        assert world.tunnels.farewell(guid) is None
        lease = await world.connect(guid)
        assert world.tunnels.farewell(guid) is None, "whose socket is cut for another reason keeps its tunnel"
        told: list[dict[str, Any] | None] = []
        world.rest.services.devices.on_access_changed(lambda changed: told.append(world.tunnels.farewell(changed)))
        await world.rest.services.devices.deeds.set_status(world.owner, guid, "revoked", address="")
        assert told[0] is not None
        keys = {key.key_id: key for key in world.rest.services.signing.public_keys}
        opened = open_envelope(told[0]["envelope"], expected_type=TUNNEL_TYPE, trusted=keys)
        order = parse_tunnel(opened.payload)
        assert isinstance(order, TunnelStop)
        assert (order.device_guid, order.tunnel_id, order.reason) == (guid, lease.tunnel_id, "device_not_active")


async def test_revoking_does_not_wait_for_a_device_that_is_being_asked(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        answer = asyncio.Event()
        send = world.rest.link.send_sealed

        async def slowly(*arguments: Any) -> Any:
            await answer.wait()
            return await send(*arguments)

        world.rest.link.send_sealed = slowly  # type: ignore[method-assign]
        connecting = asyncio.ensure_future(world.connect(guid))
        await world.settle()
        assert world.wires.is_up
        await world.rest.services.devices.deeds.set_status(world.owner, guid, "revoked", address="")
        await world.settle()
        assert not world.wires.is_up
        answer.set()
        assert await failure(connecting) == "tunnel_down"


async def test_other_ports_are_in_force_here_before_the_device_hears(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        lease = await world.connect(guid)
        _, ports = await world.tunnels.set_ports(world.owner, guid, [8080, 22, 22], address="")
        assert (ports.ports, ports.custom, ports.updated_by) == ((22, 8080), True, "owner")
        assert world.wires.there[KEYS[1]].ports == (22, 8080)
        last = world.orders[-1]
        assert isinstance(last, TunnelStart)
        assert (last.allowed_ports, last.tunnel_id) == ((22, 8080), lease.tunnel_id)
        await world.tunnels.set_ports(world.owner, guid, None, address="")
        assert 47002 in world.wires.there[KEYS[1]].ports
        for wrong in ([0], [70_000], list(range(1, 66))):
            with pytest.raises(Invalid):
                await world.tunnels.set_ports(world.owner, guid, wrong, address="")


async def test_a_restart_of_the_engine_takes_the_tunnels_up_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid, other = await world.device(1), await world.device(2)
        await world.tunnels.set_ports(world.owner, guid, [22], address="")
        before = await world.connect(guid)
        await world.connect(guid, OLGA)
        await world.connect(other)
        await world.restart()
        assert set(world.wires.there) == {KEYS[1], KEYS[2]}, "without waiting for anybody"
        assert world.wires.there[KEYS[1]].ports == (22,)
        orders = len(world.orders)
        world.tunnels.device_ready(guid, SYSTEM, KEYS[1])
        await world.settle()
        (last,) = world.orders[orders:]
        assert isinstance(last, TunnelStart)
        assert (last.tunnel_id, last.endpoint) == (before.tunnel_id, before.endpoint)
        _, lease = world.tunnels.status(world.owner, guid)
        assert lease is not None
        assert list(lease.operators) == ["owner", "olga"]
        third = await world.device(3)
        assert (await world.connect(third)).address == "10.255.0.4"


async def test_what_was_idle_over_a_restart_is_not_taken_up(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        await world.connect(guid)
        await world.tunnels.close()
        world.rest.people.clock.advance(1000)
        await world.restart()
        assert not world.wires.is_up
        (past,) = await world.tunnels.history(world.owner, guid)
        assert past.reason == "idle_timeout"


async def test_a_device_with_a_new_key_loses_the_tunnel_of_the_old_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        await world.connect(guid)
        world.tunnels.device_ready(guid, SYSTEM, KEYS[5])
        await world.settle()
        assert not world.wires.is_up
        await world.connect(guid)
        assert set(world.wires.there) == {KEYS[5]}


async def test_a_user_agents_session_says_nothing_about_tunnels(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        world.tunnels.device_ready(guid, RunContext.INTERACTIVE, KEYS[5])
        await world.connect(guid)
        world.tunnels.session_closed(guid, RunContext.INTERACTIVE)
        assert set(world.wires.there) == {KEYS[1]}


async def test_survives_an_interface_that_breaks_and_lets_nobody_stay_in(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid, other = await world.device(1), await world.device(2)
        await world.connect(guid)
        await world.connect(other)
        world.wires.broken = True
        await world.tunnels.disconnect(world.owner, name=guid, address="")
        assert not world.wires.is_up, "rather none than one too many"
        world.wires.broken = False
        await world.tick(10)
        assert set(world.wires.there) == {KEYS[2]}


async def test_a_port_is_reached_through_the_tunnel_only_where_it_is_allowed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        with pytest.raises(Conflict, match="no tunnel"), world.tunnels.reach(guid, 47002):
            pass
        lease = await world.connect(guid)
        with pytest.raises(Invalid), world.tunnels.reach(guid, 22):
            pass
        with world.tunnels.reach(guid, 47002) as reached:
            assert (reached.address, reached.port) == (lease.address, 47002)
            assert world.tunnels.statistics()["reaching"] == 1
            await world.tunnels.disconnect(world.owner, name=guid, address="")
            assert reached.ended.is_set()
        assert world.tunnels.statistics()["reaching"] == 0


async def test_two_who_connect_at_once_get_one_tunnel(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        first, second = await asyncio.gather(world.connect(guid), world.connect(guid, OLGA))
        assert first is second
        assert world.wires.made == 1
        assert len(world.orders) == 1


async def test_who_may_see_the_device_no_more_lets_go(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        site = (await world.rest.services.devices.sites.create(world.owner, name="N", description="", address="")).id
        guid = await world.device(1, site=site)
        lina = Principal(9, "lina", OperatorRole.OPERATOR, sites=frozenset({site}))
        lease = await world.connect(guid, lina)
        await world.connect(guid)
        elsewhere = DeviceEdit(move=True, site_id=None)
        await world.rest.services.devices.deeds.edit(world.owner, [guid], elsewhere, address="")
        assert list(lease.operators) == ["owner"]


def test_viewers_have_no_part_in_tunnels() -> None:
    assert not Principal(1, "vera", OperatorRole.VIEWER).may(Permission.TUNNELS_USE)
    assert OLGA.may(Permission.TUNNELS_USE)
