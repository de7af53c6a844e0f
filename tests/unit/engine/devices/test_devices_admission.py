"""Letting devices in: new GUIDs, names that collide, keys that are replaced."""

from pathlib import Path

import pytest
from sqlalchemy import select
from tests.fakes.device_world import ADMIN, HERE, DeviceWorld, open_devices

from borealis_engine.core.errors import Conflict
from borealis_engine.devices import find_by_fingerprint, find_by_guid, find_by_hostname
from borealis_engine.devices.names import looks_like_guid
from borealis_engine.devices.tables import device_keys


async def keys_of(world: DeviceWorld, guid: str) -> dict[str, bool]:
    query = select(device_keys.c.ssl_key_fingerprint, device_keys.c.retired_at).where(device_keys.c.guid == guid)
    rows = await world.db.read(lambda conn: conn.execute(query).all())
    return {row[0]: row[1] is None for row in rows}


async def test_a_new_device_gets_an_upper_case_guid_and_is_known_at_once(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    auth = await world.admit("lab", site_id=site)
    assert looks_like_guid(auth.guid)
    assert auth.guid == auth.guid.upper()
    assert (auth.hostname, auth.status, auth.token_version, auth.site_id) == ("lab", "active", 1, site)
    assert world.devices.auth_state(auth.guid) == auth
    assert world.feed.take() == ["enrolled"]
    found = await world.db.read(
        lambda conn: (
            find_by_guid(conn, auth.guid),
            find_by_fingerprint(conn, auth.fingerprint),
            find_by_hostname(conn, "LAB"),
        )
    )
    assert len(set(found)) == 1
    assert found[0] is not None
    assert (found[0].guid, found[0].last_seen) == (auth.guid, 0)


async def test_a_name_that_is_taken_gets_a_number(world: DeviceWorld) -> None:
    assert [(await world.admit(name)).hostname for name in ("lab", "LAB", "lab")] == ["lab", "LAB-1", "lab-2"]


async def test_a_known_guid_with_a_new_key_starts_a_new_token_version(world: DeviceWorld) -> None:
    old = await world.admit("lab")
    world.access_changes.clear()
    new = await world.admit("lab", guid=old.guid)
    assert (new.guid, new.hostname, new.token_version) == (old.guid, "lab", 2)
    assert await keys_of(world, old.guid) == {old.fingerprint: False, new.fingerprint: True}
    assert world.access_changes == [old.guid], "sockets of the old key are looked at again"
    assert world.devices.auth_state(old.guid) == new


async def test_the_same_key_again_changes_no_version_but_lifts_nothing_silently(world: DeviceWorld) -> None:
    key = world.key()
    auth = await world.admit("lab", key=key)
    assert (await world.admit("lab", guid=auth.guid, key=key)).token_version == 1


@pytest.mark.parametrize("status", ["revoked", "quarantined"])
async def test_rejects_tokens_from_before_a_device_was_withdrawn(world: DeviceWorld, status: str) -> None:
    key = world.key()
    auth = await world.admit("lab", key=key)
    await world.devices.deeds.set_status(ADMIN, auth.guid, status, address=HERE)
    back = await world.admit("lab", guid=auth.guid, key=key)
    assert (back.status, back.token_version) == ("active", 2)


async def test_rejects_a_key_that_another_device_has(world: DeviceWorld) -> None:
    key = world.key()
    await world.admit("lab", key=key)
    with pytest.raises(Conflict, match="duplicate_identity"):
        await world.admit("copy", key=key)
    with pytest.raises(Conflict, match="duplicate_identity"):
        await world.admit("copy", key=key, guid=(await world.admit("third")).guid)


async def test_an_operators_name_survives_a_new_enrolment(world: DeviceWorld) -> None:
    from borealis_engine.devices import DeviceEdit

    auth = await world.admit("lab")
    await world.devices.deeds.edit(ADMIN, [auth.guid], DeviceEdit(hostname="front desk"), address=HERE)
    assert (await world.admit("lab-new", guid=auth.guid)).hostname == "front desk"


async def test_a_site_that_is_gone_leaves_a_known_device_where_it_is(world: DeviceWorld) -> None:
    here, gone = await world.site("HQ"), await world.site("Old")
    await world.devices.sites.delete(ADMIN, [gone], address=HERE)
    auth = await world.admit("lab", site_id=here)
    assert (await world.admit("lab", guid=auth.guid, site_id=gone)).site_id == here
    assert (await world.admit("other", site_id=gone)).site_id is None


async def test_a_guid_that_was_deleted_meanwhile_makes_a_new_device(world: DeviceWorld) -> None:
    auth = await world.admit("lab")
    await world.devices.deeds.delete(ADMIN, auth.guid, address=HERE)
    again = await world.admit("lab", guid=auth.guid)
    assert again.guid != auth.guid


async def test_everything_is_there_after_a_restart(world: DeviceWorld, tmp_path: Path) -> None:
    site = await world.site("HQ")
    auth = await world.admit("lab", site_id=site)
    await world.beat(auth.guid, uptime=7, roles={"x": "running"}, internal_ip="10.0.0.1")
    await world.devices.flush()
    async with open_devices(world.folder, clock=world.clock) as again:
        record = again.devices.get(ADMIN, auth.guid)
        assert record.auth == auth
        assert (record.uptime, record.internal_ip, record.roles) == (
            7,
            "10.0.0.1",
            {"system": {"x": {"state": "running"}}},
        )
        assert again.devices.presence(auth.guid)["online"], "heard of a moment ago"
        assert again.devices.site_of(record) is not None
