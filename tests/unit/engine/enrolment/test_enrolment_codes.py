"""Enrolment codes: their form, what is kept of them, and who may make them."""

import pytest
from tests.fakes.device_world import ADMIN, limited
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.enrolment_world import EnrolmentWorld, refused
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.core.errors import Invalid
from borealis_engine.enrolment.codes import allowed_uses, hash_code, lifetime, make_code
from borealis_engine.enrolment.models import DAY
from borealis_wire.enrolment_token import CODE_PATTERN, parse_enrolment_token


def test_a_code_is_eight_groups_of_four() -> None:
    codes = {make_code(FakeRandomness(number)) for number in range(50)}
    assert len(codes) == 50
    assert all(CODE_PATTERN.fullmatch(code) and len(code) == 39 for code in codes)


@pytest.mark.parametrize(
    ("hours", "seconds", "expected"),
    [
        (None, None, 3600),
        (1, None, 3600),
        (24, None, DAY),
        (0.5, None, 1800),
        (None, 300, 300),
        (None, 90 * DAY, 90 * DAY),
    ],
)
def test_how_long_a_code_lives(hours: float | None, seconds: int | None, expected: int) -> None:
    assert lifetime(hours, seconds) == expected


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [
        (1, 3600),
        (0, None),
        (-1, None),
        (2161, None),
        (None, 299),
        (None, 90 * DAY + 1),
        (float("nan"), None),
        (1e300, None),
    ],
)
def test_rejects_lifetimes_out_of_bounds(hours: float | None, seconds: int | None) -> None:
    with pytest.raises(Invalid, match="invalid_ttl"):
        lifetime(hours, seconds)


def test_how_often_a_code_may_be_used() -> None:
    assert (allowed_uses(None), allowed_uses(1), allowed_uses(10_000)) == (2, 1, 10_000)
    for uses in (0, -1, 10_001):
        with pytest.raises(Invalid, match="invalid_max_uses"):
            allowed_uses(uses)


async def test_a_token_says_all_that_an_agent_needs(room: EnrolmentWorld) -> None:
    issued = await room.service.create_code(ADMIN)
    token = parse_enrolment_token(issued.token)
    assert (token.url, token.code, token.ca_pin) == (room.settings.url, issued.code, room.certificates.ca_pin)
    assert (issued.row.max_uses, issued.row.use_count, issued.row.expires_at) == (2, 0, int(room.clock.now()) + 3600)


async def test_what_is_kept_of_a_code_opens_nothing(room: EnrolmentWorld) -> None:
    issued = await room.service.create_code(ADMIN)
    kept = await room.read(
        lambda connection: connection.exec_driver_sql("SELECT * FROM enrollment_install_codes").mappings().one()
    )
    assert issued.code not in str(dict(kept))
    assert kept["code_hash"] == hash_code(issued.code)
    assert issued.code not in str([entry.detail for entry in await room.world.entries()])


async def test_codes_are_found_however_they_are_typed(room: EnrolmentWorld) -> None:
    code = await room.code()
    await room.ask(EnrollingDevice(), f"  {code.lower()} ")


async def test_codes_by_status(room: EnrolmentWorld) -> None:
    used = await room.code(max_uses=1)
    await room.ask(EnrollingDevice(), used)
    await room.code(expires_in_seconds=300)
    room.clock.advance(300)
    await room.code()
    for status, ids in (("", [1, 2, 3]), ("used", [1]), ("expired", [2]), ("active", [3])):
        assert [row.id for row in await room.service.list_codes(ADMIN, status=status)] == ids
    assert (await refused(room.service.list_codes(ADMIN, status="open"))).code == "invalid_status"


async def test_a_deleted_code_lets_nobody_ask_and_takes_nothing_back(room: EnrolmentWorld) -> None:
    device, code = EnrollingDevice(), await room.code()
    reference = await room.ask(device, code)
    await room.service.delete_code(ADMIN, 1)
    assert (await refused(room.ask(EnrollingDevice("late"), code))).code == "invalid_enrollment_code"
    await room.service.approve(ADMIN, reference)
    assert (await room.poll(device)).status == "approved"
    assert (await refused(room.service.delete_code(ADMIN, 1))).code == "not_found"
    assert {"enrolment.code_create", "enrolment.code_delete"} <= set(await room.actions())


async def test_codes_are_forgotten_a_month_after_their_end(room: EnrolmentWorld) -> None:
    await room.code(expires_in_seconds=300)
    room.clock.advance(30 * DAY)
    await room.service.prune()
    assert len(await room.service.list_codes(ADMIN)) == 1
    room.clock.advance(DAY)
    await room.service.prune()
    assert await room.service.list_codes(ADMIN) == []


async def test_rejects_codes_for_sites_out_of_reach(room: EnrolmentWorld) -> None:
    north, south = await room.world.site("North"), await room.world.site("South")
    for choice in ({"site_id": south}, {"site": "South"}, {"site_id": 99}, {"site": "Nowhere"}):
        assert (await refused(room.service.create_code(limited(north), **choice))).code == "site_not_found"
    assert (await refused(room.service.create_code(limited(north, south)))).code == "site_required"
    assert (await refused(room.service.create_code(limited()))).code == "no_site"
    both = room.service.create_code(ADMIN, site_id=north, site="North")
    assert (await refused(both)).code == "invalid_site"


async def test_an_operator_of_one_site_makes_codes_for_it(room: EnrolmentWorld) -> None:
    north, south = await room.world.site("North"), await room.world.site("South")
    assert (await room.service.create_code(limited(north))).row.site_id == north
    assert (await room.service.create_code(limited(north, south), site="South")).row.site_id == south
    await room.service.create_code(ADMIN)
    assert [row.site_id for row in await room.service.list_codes(limited(north))] == [north]
    assert (await refused(room.service.delete_code(limited(north), 2))).code == "not_found"


async def test_a_device_goes_where_its_code_says(room: EnrolmentWorld) -> None:
    north = await room.world.site("North")
    answer = await room.enrol(EnrollingDevice(), code={"site_id": north})
    auth = room.devices.auth_state(answer.guid)
    assert auth is not None
    assert auth.site_id == north
