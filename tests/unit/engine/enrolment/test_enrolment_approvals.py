"""Approvals as operators see and decide them, within their sites."""

import asyncio

import pytest
from tests.fakes.device_world import ADMIN, limited
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.enrolment_world import LOOSE, EnrolmentWorld, refused

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Unavailable
from borealis_engine.enrolment import ApprovalStatus, Resolution
from borealis_engine.enrolment.models import DAY
from borealis_engine.enrolment.service import PRUNE_SECONDS
from borealis_engine.operators.permissions import Principal
from borealis_wire.messages import EnrolStatus

NOBODY_KNOWS = "00000000-0000-4000-8000-000000000000"


async def waiting(room: EnrolmentWorld, *, site_id: int | None = None) -> tuple[EnrollingDevice, str]:
    device = EnrollingDevice()
    return device, await room.ask(device, await room.code(site_id=site_id))


async def test_operators_see_who_waits(room: EnrolmentWorld) -> None:
    north = await room.world.site("North")
    device, reference = await waiting(room, site_id=north)
    (view,) = await room.service.list_approvals(ADMIN)
    assert view.row.reference == reference
    assert view.row.fingerprint == device.fingerprint
    assert view.row.current.peer_address == device.address
    assert (view.site_name, view.conflict, view.alternate_hostname) == ("North", None, None)


async def test_approvals_by_status(room: EnrolmentWorld) -> None:
    _, reference = await waiting(room)
    await room.service.deny(ADMIN, reference)
    assert await room.service.list_approvals(ADMIN) == []
    assert len(await room.service.list_approvals(ADMIN, status="denied")) == 1
    assert len(await room.service.list_approvals(ADMIN, status="all")) == 1
    assert (await refused(room.service.list_approvals(ADMIN, status="maybe"))).code == "invalid_status"


async def test_an_approval_is_named_by_reference_or_number(room: EnrolmentWorld) -> None:
    _, reference = await waiting(room)
    row = await room.service.approve(ADMIN, str((await room.row(reference)).id))
    assert (row.reference, row.status, row.approved_by_username) == (reference, ApprovalStatus.APPROVED, "ada")


@pytest.mark.parametrize("reference", [NOBODY_KNOWS, "999", "0", "9" * 40, "-1", "\N{ARABIC-INDIC DIGIT ONE}", ""])
async def test_rejects_references_that_name_nothing(room: EnrolmentWorld, reference: str) -> None:
    await waiting(room)
    assert (await refused(room.service.approve(ADMIN, reference))).code == "not_found"
    assert (await refused(room.service.deny(ADMIN, reference))).code == "not_found"


async def test_rejects_deciding_twice(room: EnrolmentWorld) -> None:
    device, reference = await waiting(room)
    await room.service.approve(ADMIN, reference)
    error = await refused(room.service.approve(ADMIN, reference))
    assert (error.status, error.code) == (409, "approval_not_pending")
    await room.poll(device)
    assert (await refused(room.service.deny(ADMIN, reference))).code == "approval_not_pending"


async def test_rejects_deciding_what_is_over(room: EnrolmentWorld) -> None:
    _, reference = await waiting(room)
    room.clock.advance(LOOSE.approval_seconds)
    error = await refused(room.service.approve(ADMIN, reference))
    assert (error.code, "expired" in error.detail) == ("approval_not_pending", True)


async def test_an_approval_can_be_taken_back_until_the_device_came_in(room: EnrolmentWorld) -> None:
    device, reference = await waiting(room)
    await room.service.approve(ADMIN, reference)
    await room.service.deny(ADMIN, reference)
    assert await room.poll(device) == EnrolStatus(status="denied", reason="operator_denied")
    assert await room.uses() == [0]


async def test_rejects_what_belongs_to_other_sites(room: EnrolmentWorld) -> None:
    north, south = await room.world.site("North"), await room.world.site("South")
    _, reference = await waiting(room, site_id=south)
    for actor in (limited(north), limited()):
        assert await room.service.list_approvals(actor, status="all") == []
        assert (await refused(room.service.approve(actor, reference))).code == "not_found"
        assert (await refused(room.service.deny(actor, reference))).code == "not_found"
    assert len(await room.service.list_approvals(limited(south))) == 1
    await room.service.approve(limited(south), reference)


async def test_rejects_devices_without_a_site_for_operators_of_sites(room: EnrolmentWorld) -> None:
    north = await room.world.site("North")
    _, reference = await waiting(room)
    assert await room.service.list_approvals(limited(north)) == []
    assert (await refused(room.service.approve(limited(north), reference))).code == "not_found"


async def clash(room: EnrolmentWorld, *, same_key: bool) -> tuple[Principal, str, str]:
    """A device in South, and one like it that asks in North, where the operator is."""
    north, south = await room.world.site("North"), await room.world.site("South")
    known = await room.enrol(EnrollingDevice("known"), code={"site_id": south})
    room.clock.advance(DAY)
    device = EnrollingDevice("known" if same_key else "new")
    reference = await room.ask(device, await room.code(site_id=north))
    return limited(north), reference, known.guid


@pytest.mark.parametrize("same_key", [True, False])
async def test_rejects_taking_over_a_device_of_another_site(room: EnrolmentWorld, same_key: bool) -> None:
    actor, reference, guid = await clash(room, same_key=same_key)
    (view,) = await room.service.list_approvals(actor)
    assert view.conflict is not None
    assert (view.conflict["guid"], view.conflict["hostname"], view.conflict["site_name"]) == (None, None, None)
    assert (await refused(room.service.approve(actor, reference, guid=guid))).code == "device_not_found"
    error = await refused(room.service.approve(actor, reference, resolution=Resolution.OVERWRITE))
    assert (error.status, error.code) == (403, "conflict_out_of_scope")
    if same_key:
        assert (await refused(room.service.approve(actor, reference))).code == "conflict_out_of_scope"
    else:
        await room.service.approve(actor, reference, resolution=Resolution.COEXIST)


async def test_operators_of_all_sites_see_the_conflict(room: EnrolmentWorld) -> None:
    _, _, guid = await clash(room, same_key=False)
    (view,) = await room.service.list_approvals(ADMIN)
    assert view.conflict is not None
    assert (view.conflict["guid"], view.conflict["kind"], view.conflict["site_name"]) == (guid, "hostname", "South")


async def test_a_key_that_is_in_use_right_now_is_a_copy(room: EnrolmentWorld) -> None:
    known = await room.enrol(EnrollingDevice())
    room.connect(known.guid)
    reference = await room.ask(EnrollingDevice(address="198.51.100.8"), await room.code())
    (view,) = await room.service.list_approvals(ADMIN)
    assert view.conflict is not None
    assert view.conflict["kind"] == "duplicate_identity"
    assert (await refused(room.service.approve(ADMIN, reference))).code == "conflict_resolution_required"
    error = await refused(room.service.approve(ADMIN, reference, resolution=Resolution.COEXIST))
    assert (error.status, error.code) == (409, "duplicate_identity")
    await room.service.approve(ADMIN, reference, resolution=Resolution.MERGE)


async def test_decisions_are_audited(room: EnrolmentWorld) -> None:
    north = await room.world.site("North")
    _, reference = await waiting(room, site_id=north)
    await room.service.approve(ADMIN, reference, address="192.0.2.9")
    (entry,) = await room.world.entries("enrolment.approve")
    assert (entry.actor, entry.target, entry.address, entry.site_id) == ("ada", reference, "192.0.2.9", north)
    await room.service.deny(ADMIN, reference)
    assert len(await room.world.entries("enrolment.deny")) == 1


async def test_the_loop_ends_what_is_overdue(room: EnrolmentWorld) -> None:
    _, reference = await waiting(room)
    async with Supervisor() as supervisor:
        supervisor.start("prune", room.service.prune_loop())
        while not room.clock.sleeping:
            await asyncio.sleep(0.01)
        room.clock.advance(LOOSE.approval_seconds + PRUNE_SECONDS)
        while (await room.row(reference)).status is not ApprovalStatus.EXPIRED:
            await asyncio.sleep(0.01)
    assert room.told("approval_reference")[-1] == reference


async def test_survives_a_database_that_is_gone_for_a_moment(
    room: EnrolmentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    class Enough(Exception):
        pass

    async def prune() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Enough
        raise Unavailable("database_unavailable", "gone")

    room.clock.auto = True
    monkeypatch.setattr(room.service, "prune", prune)
    with pytest.raises(Enough):
        await room.service.prune_loop()


async def test_many_overdue_approvals_end_in_batches(room: EnrolmentWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borealis_engine.enrolment.service.EXPIRE_BATCH", 3)
    code = await room.code()
    for number in range(8):
        await room.ask(EnrollingDevice(str(number), hostname=f"PC-{number}"), code)
    room.clock.advance(LOOSE.approval_seconds)
    await room.service.prune()
    assert len(await room.service.list_approvals(ADMIN, status="expired")) == 8
    assert await room.uses() == [0]
