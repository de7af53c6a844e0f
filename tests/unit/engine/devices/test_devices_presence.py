"""Online while there is a session, and for 300 s after the last sign of life; clocks that jump change nothing."""

from tests.fakes.device_world import ADMIN, HERE, INTERACTIVE, SYSTEM, DeviceWorld, open_devices

from borealis_engine.devices import DeviceQuery
from borealis_wire.messages import Heartbeat, HeartbeatMetrics


async def settle(world: DeviceWorld, seconds: float) -> None:
    """Let time pass, and the loop's sweep with it."""
    world.clock.advance(seconds)
    world.devices._registry.fade()


async def test_sessions_come_and_go(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    assert world.devices.presence(guid) == {"online": False, "contexts": [], "last_seen": 0.0, "since": {}, "users": []}
    world.feed.take()
    world.devices.session_opened(guid, SYSTEM, HERE)
    since = world.clock.now()
    world.clock.advance(10)
    world.devices.session_opened(guid, INTERACTIVE, HERE)
    assert world.devices.presence(guid) == {
        "online": True,
        "contexts": ["system", "interactive"],
        "last_seen": since + 10,
        "since": {"system": since, "interactive": since + 10},
        "users": [{"user": "", "since": since + 10, "active": False}],
    }
    assert world.devices.is_connected(guid)
    assert world.metrics.devices_online._value.get() == 1
    world.devices.session_closed(guid, SYSTEM)
    world.devices.session_closed(guid, SYSTEM)
    world.devices.session_closed(guid, INTERACTIVE)
    assert not world.devices.is_connected(guid)
    assert world.metrics.devices_online._value.get() == 0
    assert world.feed.take() == ["online", "session", "session", "session"]


async def test_each_signed_in_user_is_listed_and_who_sits_at_the_machine(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    for user in ("bob", "ada"):
        world.devices.session_opened(guid, INTERACTIVE, HERE, user)
    heartbeat = Heartbeat(guid=guid, metrics=HeartbeatMetrics(active_user="bob"))
    await world.devices.heartbeat(guid, INTERACTIVE, heartbeat, HERE)
    assert not any(one["active"] for one in world.devices.presence(guid)["users"]), "SYSTEM's word alone counts"
    await world.devices.heartbeat(guid, SYSTEM, heartbeat, HERE)
    listed = [(one["user"], one["active"]) for one in world.devices.presence(guid)["users"]]
    assert listed == [("ada", False), ("bob", True)]
    assert world.devices.active_user(guid) == "bob"
    world.devices.session_closed(guid, INTERACTIVE, "ada")
    assert [one["user"] for one in world.devices.presence(guid)["users"]] == ["bob"]
    assert world.devices.presence(guid)["contexts"] == ["interactive"]


async def test_a_silent_device_turns_offline_after_300_seconds_and_that_is_told_once(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid)
    world.feed.take()
    await settle(world, 300)
    assert world.feed.take() == []
    await settle(world, 1)
    await settle(world, 1)
    assert world.feed.take() == ["offline"]
    assert not world.devices.presence(guid)["online"]
    await world.beat(guid)
    assert world.feed.take() == ["online"]


async def test_a_session_keeps_a_device_online_without_heartbeats(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    world.devices.session_opened(guid, SYSTEM, HERE)
    world.feed.take()
    await settle(world, 3600)
    assert world.devices.presence(guid)["online"]
    world.devices.session_closed(guid, SYSTEM)
    await settle(world, 301)
    assert world.feed.take() == ["session", "offline"]


async def test_survives_a_wall_clock_that_is_set(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid)
    world.feed.take()
    for jump in (86_400.0, -86_400.0):
        world.clock.set_wall(world.clock.now() + jump)
        await settle(world, 1)
        assert world.devices.presence(guid)["online"]
    await settle(world, 300)
    assert world.feed.take() == ["offline"]


async def test_survives_a_restart_with_a_clock_that_was_set_back(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid)
    await world.devices.flush()
    world.clock.set_wall(world.clock.now() - 86_400)
    async with open_devices(world.folder, clock=world.clock) as again:
        assert not again.devices.presence(guid)["online"], "nobody knows: it has to speak up again"
        await again.beat(guid)
        assert again.devices.presence(guid)["online"]


async def test_lists_filter_by_presence(world: DeviceWorld) -> None:
    first, second = (await world.admit("a")).guid, (await world.admit("b")).guid
    await world.beat(first)
    assert [r.guid for r in world.devices.find(ADMIN, DeviceQuery(status="online"))] == [first]
    assert [r.guid for r in world.devices.find(ADMIN, DeviceQuery(status="offline"))] == [second]


async def test_a_session_of_an_unknown_device_leaves_no_trace(world: DeviceWorld) -> None:
    world.devices.session_opened("NOBODY", SYSTEM, HERE)
    assert world.devices.statistics()["connected"] == 0
