"""Sites and targets: what an operator is limited to is all there is for them (threats 4)."""

import asyncio

import pytest
from tests.fakes.device_world import ADMIN, HERE, DeviceWorld, limited

from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound
from borealis_engine.devices import DeviceEdit, DeviceQuery


async def test_sites_are_listed_with_their_counts(world: DeviceWorld) -> None:
    north, south = await world.site("north"), await world.site("South")
    await world.admit("a", site_id=north)
    await world.admit("b", site_id=north)
    assert [(site.name, count) for site, count in world.devices.sites.seen_by(ADMIN)] == [("north", 2), ("South", 0)]
    assert [site.id for site, _ in world.devices.sites.seen_by(limited(south))] == [south]


async def test_a_site_is_changed_and_its_devices_told(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    await world.admit("lab", site_id=site)
    world.feed.take()
    await world.devices.sites.change(ADMIN, site, name="Head office", description="x", address=HERE)
    assert world.devices.sites.get(ADMIN, site).name == "Head office"
    assert world.feed.take() == ["site"]
    (entry,) = await world.entries("site.change")
    assert entry.detail == {"name": "Head office", "before": {"name": "HQ"}}


async def test_a_deleted_site_leaves_its_devices_to_those_who_see_all(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    guid = (await world.admit("lab", site_id=site)).guid
    world.access_changes.clear()
    assert await world.devices.sites.delete(ADMIN, [site, site], address=HERE) == 1
    assert world.devices.get(ADMIN, guid).site_id is None
    assert world.access_changes == [guid]
    with pytest.raises(NotFound):
        world.devices.get(limited(site), guid)
    assert await world.site("HQ") != site, "its number never comes again"


@pytest.mark.parametrize("name", ["", " ", "12", "a\nb", "x" * 129])
async def test_rejects_a_site_name_that_is_none(world: DeviceWorld, name: str) -> None:
    with pytest.raises(Invalid, match="invalid_site_name"):
        await world.devices.sites.create(ADMIN, name=name, description="", address=HERE)


async def test_rejects_a_site_name_that_is_taken(world: DeviceWorld) -> None:
    await world.site("HQ")
    other = await world.site("Other")
    with pytest.raises(Conflict, match="site_exists"):
        await world.devices.sites.create(ADMIN, name="hq", description="", address=HERE)
    with pytest.raises(Conflict, match="site_exists"):
        await world.devices.sites.change(ADMIN, other, name="hq", description=None, address=HERE)


async def test_rejects_making_removing_and_finding_sites_out_of_sight(world: DeviceWorld) -> None:
    mine, theirs = await world.site("Mine"), await world.site("Theirs")
    me = limited(mine)
    with pytest.raises(Forbidden, match="site_limited"):
        await world.devices.sites.create(me, name="New", description="", address=HERE)
    with pytest.raises(Forbidden, match="site_limited"):
        await world.devices.sites.delete(me, [mine], address=HERE)
    with pytest.raises(NotFound, match="site_not_found"):
        await world.devices.sites.change(me, theirs, name="x", description=None, address=HERE)
    with pytest.raises(NotFound, match="site_not_found"):
        world.devices.find(me, DeviceQuery(site_id=theirs))
    with pytest.raises(NotFound, match="site_not_found"):
        await world.devices.site_ids(me.sites, ["Theirs"])
    with pytest.raises(NotFound, match="site_not_found"):
        await world.devices.site_ids(me.sites, [str(theirs)])


async def test_sites_are_found_by_name_or_number(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    assert await world.devices.site_ids(None, ["hq", str(site)]) == [site, site]


async def test_devices_are_assigned_all_or_none(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    first, second = (await world.admit("a")).guid, (await world.admit("b")).guid
    with pytest.raises(NotFound):
        await world.devices.sites.assign(ADMIN, site, ["a", "nobody"], address=HERE)
    assert world.devices.get(ADMIN, first).site_id is None
    assert await world.devices.sites.assign(ADMIN, site, ["A", second, "b"], address=HERE) == 2
    assert {world.devices.get(ADMIN, guid).site_id for guid in (first, second)} == {site}


async def test_rejects_a_move_into_a_site_that_is_removed_meanwhile(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    guid = (await world.admit("lab")).guid
    results = await asyncio.gather(
        world.devices.sites.delete(ADMIN, [site], address=HERE),
        world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(move=True, site_id=site), address=HERE),
        return_exceptions=True,
    )
    assert isinstance(results[1], NotFound)
    assert world.devices.get(ADMIN, guid).site_id is None


async def test_targets_add_up_and_come_once(world: DeviceWorld) -> None:
    site = await world.site("HQ")
    a, b, c = [(await world.admit(name, site_id=place)).guid for name, place in (("a", site), ("b", site), ("c", None))]

    async def names(**chosen: object) -> set[str]:
        asked = {"guids": (), "hostnames": (), "site_ids": (), "all_devices": False, **chosen}
        found = await world.devices.targets(None, **asked)  # type: ignore[arg-type]
        assert len(found) == len({target.guid for target in found})
        return {target.hostname for target in found}

    assert await names(guids=[a.lower()], hostnames=["A", "B"]) == {"a", "b"}
    assert await names(hostnames=[c], site_ids=[site]) == {"a", "b", "c"}
    assert await names(all_devices=True) == {"a", "b", "c"}
    await world.devices.deeds.set_status(ADMIN, b, "revoked", address=HERE)
    assert await names(site_ids=[site]) == {"a", "b"}, "who asks decides what to do about the status"


async def test_rejects_targets_out_of_sight_like_unknown_ones(world: DeviceWorld) -> None:
    mine, theirs = await world.site("Mine"), await world.site("Theirs")
    seen = (await world.admit("seen", site_id=mine)).guid
    hidden = (await world.admit("hidden", site_id=theirs)).guid
    sites = frozenset({mine})
    for chosen in (
        {"guids": [hidden]},
        {"hostnames": ["hidden"]},
        {"hostnames": ["seen", "nobody"]},
        {"site_ids": [theirs]},
        {"site_ids": [999]},
    ):
        asked = {"guids": (), "hostnames": (), "site_ids": (), "all_devices": False, **chosen}
        with pytest.raises(NotFound):
            await world.devices.targets(sites, **asked)  # type: ignore[arg-type]
    everything = await world.devices.targets(sites, guids=(), hostnames=(), site_ids=(), all_devices=True)
    assert [target.guid for target in everything] == [seen]
