"""Heartbeats are cheap, tell operators only what they can see, and are not lost; inventory is on disk at once."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from sqlalchemy import event, select
from structlog.testing import capture_logs
from tests.fakes.device_world import ADMIN, HERE, INTERACTIVE, SYSTEM, THERE, DeviceWorld, open_devices

from borealis_engine.core.errors import Forbidden, Invalid, NotFound, Unavailable
from borealis_engine.devices import DeviceEdit
from borealis_engine.devices.tables import devices as device_table
from borealis_wire.messages import Details, Heartbeat


async def last_seen_on_disk(world: DeviceWorld, guid: str) -> float:
    query = select(device_table.c.last_seen).where(device_table.c.guid == guid)
    return float(await world.db.read(lambda conn: conn.execute(query).scalar_one()))


async def test_a_heartbeat_changes_what_it_says_and_nothing_else(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid, uptime=100.5, cpu_percent=12.34, memory_percent=50, last_user="ada", internal_ip="10.0.0.1")
    await world.beat(guid, uptime=-5, cpu_percent=101, operating_system="Debian 12", address=THERE)
    record = world.devices.get(ADMIN, guid)
    assert (record.uptime, record.cpu_percent, record.memory_percent) == (100, 12.3, 50)
    assert (record.last_user, record.internal_ip, record.operating_system) == ("ada", "10.0.0.1", "Debian 12")
    assert (record.last_seen, record.address) == (world.clock.now(), THERE)


async def test_operators_hear_of_changes_they_can_see_only(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    world.feed.take()
    await world.beat(guid, last_user="ada", roles={"a": {"state": "running", "count": 1}})
    assert world.feed.take() == ["online", "user", "roles"]
    for count in range(2, 5):
        world.clock.advance(60)
        await world.beat(guid, last_user="ada", uptime=count, roles={"a": {"state": "running", "count": count}})
    assert world.feed.take() == []
    with capture_logs() as logged:
        for _ in range(2):
            await world.beat(guid, roles={"a": {"state": "rejected", "reason": "broken"}})
    assert world.feed.take() == ["roles"]
    assert [(line["role"], line["reason"]) for line in logged] == [("a", "broken")]


async def test_many_heartbeats_are_one_transaction(world: DeviceWorld) -> None:
    guids = [(await world.admit(f"pc{number}")).guid for number in range(20)]
    commits: list[int] = []
    event.listen(world.db.engine, "commit", lambda _: commits.append(1))
    for _ in range(3):
        for guid in guids:
            await world.beat(guid, uptime=5, roles={"a": "running"})
    assert commits == []
    await world.devices.flush()
    await world.devices.flush()
    assert len(commits) == 1, "nothing changed since, nothing written"
    assert await last_seen_on_disk(world, guids[-1]) == world.clock.now()


async def test_the_loop_writes_every_second_and_once_more_at_its_end(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    loop = asyncio.ensure_future(world.devices.run_loop())
    await asyncio.sleep(0)
    await world.beat(guid)
    world.clock.advance(1)
    while await last_seen_on_disk(world, guid) == 0:
        await asyncio.sleep(0.01)
    await world.beat(guid)
    loop.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loop
    assert await last_seen_on_disk(world, guid) == world.clock.now()


async def test_survives_a_database_that_is_gone_for_a_while(
    world: DeviceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid)
    with monkeypatch.context() as patch:

        async def gone(_: object) -> None:
            raise Unavailable("database_unavailable", "gone")

        patch.setattr(world.db, "write", gone)
        await world.devices.flush()
        assert world.devices.statistics()["unwritten_heartbeats"] == 1
    await world.devices.flush()
    assert await last_seen_on_disk(world, guid) == world.clock.now()


async def test_survives_a_device_that_is_deleted_while_its_heartbeat_waits(world: DeviceWorld) -> None:
    first, second = (await world.admit("a")).guid, (await world.admit("b")).guid
    await world.beat(first)
    await world.beat(second)
    await world.devices.deeds.delete(ADMIN, first, address=HERE)
    await world.devices.flush()
    assert await last_seen_on_disk(world, second) == world.clock.now()


async def test_rejects_reports_for_another_device_or_an_unknown_one(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    other = (await world.admit("other")).guid
    with pytest.raises(Forbidden, match="guid_mismatch"):
        await world.devices.heartbeat(guid, SYSTEM, Heartbeat(guid=other), HERE)
    with pytest.raises(Forbidden, match="guid_mismatch"):
        await world.devices.details(guid, SYSTEM, Details(details={"summary": {"agent_guid": other}}), HERE)
    with pytest.raises(NotFound, match="device_not_registered"):
        await world.devices.heartbeat("NOBODY", SYSTEM, Heartbeat(), HERE)
    with pytest.raises(Invalid, match="invalid_payload"):
        await world.devices.details(guid, SYSTEM, Details(), HERE)
    await world.devices.heartbeat(guid, SYSTEM, Heartbeat(guid="{" + guid.lower() + "}"), HERE)


async def test_a_machine_that_was_renamed_is_followed_and_audited(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.admit("taken")
    world.feed.take()
    await world.beat(guid, hostname="lab")
    await world.beat(guid, hostname="desk")
    assert world.devices.get(ADMIN, guid).hostname == "desk"
    assert "renamed" in world.feed.take()
    (entry,) = await world.entries("device.rename")
    assert (entry.actor, entry.detail) == (f"device:{guid}", {"hostname": "lab", "to": "desk"})
    world.clock.advance(601)
    await world.beat(guid, hostname="Taken", uptime=9)
    record = world.devices.get(ADMIN, guid)
    assert (record.hostname, record.uptime) == ("desk", 9), "a name that is taken is passed over, the rest holds"
    assert world.devices.by_name(ADMIN, "DESK") is record


async def test_rejects_a_flood_of_names(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    for number in range(50):
        await world.beat(guid, hostname=f"name{number}")
    assert len(await world.entries("device.rename")) == 1


async def test_a_device_named_by_an_operator_keeps_that_name(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(hostname="front desk"), address=HERE)
    await world.beat(guid, hostname="other")
    assert world.devices.get(ADMIN, guid).hostname == "front desk"


async def test_inventory_is_merged_and_only_changes_are_written(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    assert await world.details(guid) == {
        "summary": {},
        "cpu": {},
        "memory": [],
        "storage": [],
        "network": [],
        "software": [],
    }
    software = [{"name": "bash", "version": "5.2", "source": "dpkg"}]
    await world.tell(
        guid, summary={"os": "Debian 12", "uptime_sec": 60}, software=software, cpu={"name": "x"}, users=["a"]
    )
    world.feed.changes.clear()
    await world.tell(guid, summary={"os": "", "domain": "example"}, software=[], memory=[{"slot": "1"}])
    (change,) = world.feed.changes
    assert change.data["sections"] == ["memory", "summary"]
    found = await world.details(guid)
    assert found["summary"] == {"os": "Debian 12", "uptime_sec": 60, "domain": "example"}
    assert (found["software"], found["memory"], found["users"]) == (software, [{"slot": "1"}], ["a"])
    record = world.devices.get(ADMIN, guid)
    assert (record.operating_system, record.domain, record.uptime) == ("Debian 12", "example", 60)
    world.feed.take()
    await world.tell(guid, summary={"os": "Debian 12"}, memory=[{"slot": "1"}])
    assert world.feed.take() == []


async def test_inventory_is_on_disk_before_it_is_acknowledged(world: DeviceWorld, tmp_path: Path) -> None:
    guid = (await world.admit("lab")).guid
    await world.tell(guid, software=[{"name": "bash"}])
    async with open_devices(world.folder) as again:
        assert [entry["name"] for entry in (await again.details(guid))["software"]] == ["bash"]


async def test_heartbeat_and_inventory_do_not_take_turns_in_naming_the_system(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid, operating_system="Debian 12")
    await world.tell(guid, summary={"operating_system": "Debian 12, kernel 6.1"})
    await world.beat(guid, operating_system="Debian 12")
    await world.tell(guid, summary={"operating_system": "Debian"})
    assert world.devices.get(ADMIN, guid).operating_system == "Debian 12, kernel 6.1"
    await world.beat(guid, operating_system="Debian 13")
    assert world.devices.get(ADMIN, guid).operating_system == "Debian 13"


async def test_inventory_in_a_heartbeat_counts_too(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid, inventory={"memory": [{"slot": "1"}]})
    assert (await world.details(guid))["memory"] == [{"slot": "1"}]


async def test_two_agents_that_tell_at_once_are_both_heard(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await asyncio.gather(*(world.tell(guid, summary={f"key{number}": number}) for number in range(10)))
    assert len((await world.details(guid))["summary"]) == 10


async def test_rejects_inventory_without_end(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    for round_ in range(2):
        sections = {f"section{round_}_{number}": [1] for number in range(16)}
        await world.tell(guid, **sections)
    with pytest.raises(Invalid, match="at most 32 sections"):
        await world.tell(guid, one_more=[1])


async def test_two_machines_with_one_identity_are_noticed_and_audited_once(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    for round_ in range(10):
        world.devices.session_opened(guid, SYSTEM, THERE if round_ % 2 else HERE)
        world.clock.advance(5)
    record = world.devices.get(ADMIN, guid)
    assert record.duplicate_suspected
    assert HERE in record.duplicate_reason
    assert world.feed.take().count("duplicate") == 1
    await world.devices.flush()
    await world.devices.flush()
    (entry,) = await world.entries("device.duplicate_suspected")
    assert (entry.actor, entry.target) == ("engine", guid)
    async with open_devices(world.folder) as again:
        assert again.devices.get(ADMIN, guid).duplicate_suspected
    await world.devices.deeds.edit(ADMIN, [guid], DeviceEdit(clear_duplicate=True), address=HERE)
    assert not world.devices.get(ADMIN, guid).duplicate_suspected
    assert len(await world.entries("device.duplicate_cleared")) == 1


async def test_two_machines_that_only_poll_are_noticed_by_their_uptime(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    for _ in range(4):
        await world.beat(guid, uptime=90_000)
        await world.beat(guid, uptime=300)
    assert world.devices.get(ADMIN, guid).duplicate_suspected


async def test_reports_of_both_contexts_share_one_record(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await world.beat(guid, roles={"a": "running"})
    await world.beat(guid, context=INTERACTIVE, roles={"b": "running"})
    assert set(world.devices.get(ADMIN, guid).roles) == {"system", "interactive"}
