"""What operators do to devices takes effect at once, is audited, and stays within their sites (threats 4)."""

import asyncio

import pytest
from tests.fakes.device_world import ADMIN, HERE, SYSTEM, DeviceWorld, limited

from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound
from borealis_engine.devices import DeviceEdit, DeviceQuery


async def test_revoking_takes_effect_at_once_and_for_good(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    statuses: list[str] = []
    world.devices.on_access_changed(lambda changed: statuses.append(_status(world, changed)))
    world.devices.session_opened(guid, SYSTEM, HERE)
    await world.devices.deeds.set_status(ADMIN, guid, "revoked", address=HERE)
    assert statuses == ["revoked"], "listeners are asked when the new status holds already"
    assert not world.devices.presence(guid)["online"]
    assert "status" in world.feed.take()
    (entry,) = await world.entries("device.revoke")
    assert (entry.actor, entry.target, entry.address) == ("ada", guid, HERE)
    assert entry.detail == {"hostname": "lab", "before": "active"}
    for status in ("active", "quarantined"):
        with pytest.raises(Conflict, match="device_revoked"):
            await world.devices.deeds.set_status(ADMIN, guid, status, address=HERE)
    await world.devices.deeds.set_status(ADMIN, guid, "revoked", address=HERE)
    assert len(await world.entries("device.")) == 1, "doing it twice is no deed"


def _status(world: DeviceWorld, guid: str) -> str:
    auth = world.devices.auth_state(guid)
    return auth.status if auth else "gone"


async def test_quarantine_and_release(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.devices.deeds.set_status(ADMIN, guid, "quarantined", address=HERE)
    assert _status(world, guid) == "quarantined"
    await world.devices.deeds.set_status(ADMIN, guid, "active", address=HERE)
    assert _status(world, guid) == "active"
    assert [entry.action for entry in await world.entries("device.")] == ["device.release", "device.quarantine"]
    assert world.access_changes == [guid, guid]


async def test_rejects_a_quarantine_that_races_with_a_revocation(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    results = await asyncio.gather(
        world.devices.deeds.set_status(ADMIN, guid, "revoked", address=HERE),
        world.devices.deeds.set_status(ADMIN, guid, "quarantined", address=HERE),
        return_exceptions=True,
    )
    assert isinstance(results[1], Conflict)
    assert _status(world, guid) == "revoked"
    assert len(await world.entries("device.quarantine")) == 0


async def test_a_rename_holds_everywhere_and_frees_the_old_name(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.devices.deeds.edit(
        ADMIN, [guid], DeviceEdit(hostname="Desk", description=" by the door "), address=HERE
    )
    record = world.devices.by_name(ADMIN, "desk")
    assert (record.guid, record.description) == (guid, "by the door")
    with pytest.raises(NotFound):
        world.devices.by_name(ADMIN, "lab")
    assert (await world.admit("lab")).hostname == "lab"
    assert {entry.action for entry in await world.entries("device.")} == {"device.rename", "device.describe"}


async def test_rejects_a_name_that_another_device_has(world: DeviceWorld) -> None:
    first, second = (await world.admit("a")).guid, (await world.admit("b")).guid
    with pytest.raises(Conflict, match="hostname_taken"):
        await world.devices.deeds.edit(ADMIN, [first], DeviceEdit(hostname="B", description="x"), address=HERE)
    assert (world.devices.get(ADMIN, first).hostname, world.devices.get(ADMIN, first).description) == ("a", "")
    await world.devices.deeds.edit(ADMIN, [second], DeviceEdit(hostname="B"), address=HERE)
    assert world.devices.get(ADMIN, second).hostname == "B", "its own name in another case is free"


async def test_an_edit_that_changes_nothing_is_no_deed(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    world.feed.take()
    await world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(hostname="lab", description=""), address=HERE)
    assert await world.entries("device.") == []
    assert world.feed.take() == []
    with pytest.raises(Invalid, match="no_fields"):
        await world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(), address=HERE)


async def test_a_deleted_device_is_gone_with_its_inventory(world: DeviceWorld) -> None:
    key = world.key()
    guid = (await world.admit("lab", key=key)).guid
    await world.tell(guid, software=[{"name": "bash"}])
    world.access_changes.clear()
    await world.devices.deeds.delete(ADMIN, guid, address=HERE)
    assert world.devices.auth_state(guid) is None
    assert world.access_changes == [guid]
    assert world.feed.take()[-1] == "deleted"
    again = await world.admit("lab", key=key)
    assert (again.hostname, again.guid == guid) == ("lab", False), "name and key are free again"
    assert (await world.details(again.guid))["software"] == []
    with pytest.raises(NotFound):
        await world.devices.deeds.delete(ADMIN, guid, address=HERE)


async def test_a_move_is_told_to_both_sites_and_audited_in_both(world: DeviceWorld) -> None:
    old, new = await world.site("Old"), await world.site("New")
    guid = (await world.admit("lab", site_id=old)).guid
    world.feed.take()
    world.access_changes.clear()
    await world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(move=True, site_id=new), address=HERE)
    assert [(change.data["change"], change.site_id) for change in world.feed.changes] == [
        ("left_site", old),
        ("site", new),
    ]
    assert world.access_changes == [guid]
    assert {entry.site_id for entry in await world.entries("device.move")} == {old, new}


async def test_rejects_everything_on_a_device_of_another_site(world: DeviceWorld) -> None:
    mine, theirs = await world.site("Mine"), await world.site("Theirs")
    seen = (await world.admit("seen", site_id=mine)).guid
    hidden = (await world.admit("hidden", site_id=theirs)).guid
    nowhere = (await world.admit("nowhere")).guid
    me = limited(mine)
    assert [record.guid for record in world.devices.find(me, DeviceQuery())] == [seen]
    for guid in (hidden, nowhere, "NOBODY"):
        for attempt in (
            world.devices.deeds.set_status(me, guid, "revoked", address=HERE),
            world.devices.deeds.delete(me, guid, address=HERE),
            world.devices.deeds.edit(me, [guid], DeviceEdit(description="x"), address=HERE),
            world.devices.deeds.edit(me, [seen, guid], DeviceEdit(description="x"), address=HERE),
        ):
            with pytest.raises(NotFound, match="device_not_found"):
                await attempt
        with pytest.raises(NotFound, match="device_not_found"):
            world.devices.get(me, guid)
    with pytest.raises(NotFound, match="device_not_found"):
        world.devices.by_name(me, "hidden")
    assert world.devices.get(ADMIN, seen).description == "", "all or none"
    assert await world.entries("device.") == []


async def test_rejects_moving_a_device_out_of_ones_own_sight(world: DeviceWorld) -> None:
    mine, theirs = await world.site("Mine"), await world.site("Theirs")
    guid = (await world.admit("lab", site_id=mine)).guid
    with pytest.raises(NotFound, match="site_not_found"):
        await world.devices.deeds.edit(limited(mine), [guid], DeviceEdit(move=True, site_id=theirs), address=HERE)
    with pytest.raises(Forbidden, match="site_limited"):
        await world.devices.deeds.edit(limited(mine), [guid], DeviceEdit(move=True, site_id=None), address=HERE)
    assert world.devices.get(ADMIN, guid).site_id == mine


async def test_a_failing_listener_keeps_no_other_from_hearing(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    heard: list[str] = []

    def broken(_: str) -> None:
        raise RuntimeError("broken")

    world.devices.on_access_changed(broken)
    world.devices.on_access_changed(heard.append)
    await world.devices.deeds.set_status(ADMIN, guid, "revoked", address=HERE)
    assert heard == [guid]
