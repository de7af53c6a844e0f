"""Desktops of devices: tickets, orders as the policy wants them, bytes, and every way that one ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.engine.desktops.desktop_world import ADA, OLGA, OPENED, DesktopWorld, open_desktop_world, until

from borealis_base.tasks import Supervisor
from borealis_engine.activity import RunQuery
from borealis_engine.core.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from borealis_engine.desktops import STAY_KIND, DesktopPolicy
from borealis_engine.lines import Stream
from borealis_engine.operators.permissions import OperatorRole
from borealis_wire.desktop import Consent, DesktopKind
from borealis_wire.lines import write_line

WAIT = write_line("wait", seconds=30, why="otto is asked")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DesktopWorld]:
    async with open_desktop_world(tmp_path) as world:
        yield world


async def status(world: DesktopWorld) -> str:
    found, _ = await world.rest.services.jobs.history.page(RunQuery(kind="desktop"))
    return str(found[0]["status"])


async def test_bytes_go_both_ways_under_an_order_that_says_what_was_asked(world: DesktopWorld) -> None:
    token = await world.ticket(kind=DesktopKind.OWN, user="otto", width=1600, height=900)
    async with world.come(token) as stream:
        assert await stream.read() == b"RFB 003.008\n"
        await stream.write(b"RFB 003.008\n")
        await until(lambda: bytes(world.device.came) == b"RFB 003.008\n")
        assert dict(stream.told) == {
            "user": "otto",
            "kind": "screen",
            "view_only": False,
            "signed_in": True,
            "width": 1024,
            "height": 768,
        }
        (mine,) = world.desktops.listed(ADA, world.guid)
        assert (mine.username, mine.user, mine.kind, mine.view_only) == ("olga", "otto", "own", False)
    (order,) = world.device.orders
    assert (order.asked_by, order.kind, order.user, order.width) == ("olga", DesktopKind.OWN, "otto", 1600)
    assert (order.consent, order.view_only, order.device_guid) == (Consent.NEVER, False, world.guid)
    await world.device.closed.wait()
    assert await status(world) == "Completed"
    assert world.desktops.listed(ADA) == []
    closed = await world.audit("desktop.close")
    assert (closed["consent"], closed["account"]) == ("not asked", "otto")
    assert (await world.audit("desktop.open"))["kind"] == "own"


async def test_connections_to_the_same_desktop_share_its_id_and_nobody_elses_does(world: DesktopWorld) -> None:
    for who in (OLGA, OLGA, ADA):
        async with world.come(await world.ticket(who, kind=DesktopKind.OWN, user="otto"), who):
            pass
    world.rest.people.clock.advance(301)
    async with world.come(await world.ticket(kind=DesktopKind.OWN, user="otto")):
        pass
    one, two, adas, late = [order.session_id for order in world.device.orders]
    assert one == two
    assert len({one, adas, late}) == 3


async def test_rejects_a_desktop_of_its_own_for_nobody(world: DesktopWorld) -> None:
    with pytest.raises(Invalid) as no:
        await world.ticket(kind=DesktopKind.OWN)
    assert no.value.code == "account_missing"


async def test_the_policy_makes_it_stricter_than_what_was_asked(world: DesktopWorld) -> None:
    site = await world.rest.services.devices.sites.create(ADA, name="lab", description="", address="")
    await world.rest.services.devices.sites.assign(ADA, site.id, [world.guid], address="")
    wanted = DesktopPolicy(site.id, Consent.ASK, 45, True)
    await world.desktops.put_policy(ADA, wanted, address="")
    ticket = await world.ticket(view_only=False)
    world.device.answers = (WAIT, OPENED)
    async with world.come(ticket) as stream:
        assert stream.told["view_only"] is True
    (order,) = world.device.orders
    assert (order.view_only, order.consent, order.ask_seconds) == (True, Consent.ASK, 45)
    assert [told["why"] for told in world.waits] == ["otto is asked"]
    assert (await world.audit("desktop.close"))["consent"] == "given"
    default, sites = await world.desktops.policy(ADA)
    assert (default.consent, [one.site_id for one in sites]) == (Consent.NEVER, [site.id])
    # The same of a site that was deleted is nobody's any more.
    await world.rest.services.devices.sites.delete(ADA, [site.id], address="")
    assert (await world.desktops.policy(ADA))[1] == []


async def test_a_policy_that_is_taken_away_leaves_that_of_all_others(world: DesktopWorld) -> None:
    site = await world.rest.services.devices.sites.create(ADA, name="lab", description="", address="")
    await world.rest.services.devices.sites.assign(ADA, site.id, [world.guid], address="")
    await world.desktops.put_policy(ADA, DesktopPolicy(None, Consent.ASK), address="")
    await world.desktops.put_policy(ADA, DesktopPolicy(site.id, Consent.NEVER), address="")
    await world.desktops.remove_policy(ADA, site.id, address="")
    world.device.answers = (OPENED,)
    async with world.come(await world.ticket()):
        pass
    assert world.device.orders[0].consent is Consent.ASK
    assert (await world.audit("desktop.close"))["consent"] == "nobody to ask"
    assert (await world.audit("desktop.policy"))["before"] == {
        "consent": "never",
        "ask_seconds": 30,
        "view_only": False,
    }


async def test_rejects_policies_of_who_is_limited_to_other_sites(world: DesktopWorld) -> None:
    site = await world.rest.services.devices.sites.create(ADA, name="lab", description="", address="")
    afar = replace(ADA, username="otto", sites=frozenset({site.id + 1}))
    with pytest.raises(Forbidden):
        await world.desktops.put_policy(afar, DesktopPolicy(None, Consent.NEVER), address="")
    with pytest.raises(NotFound):
        await world.desktops.put_policy(afar, DesktopPolicy(site.id, Consent.NEVER), address="")
    with pytest.raises(NotFound):
        await world.desktops.remove_policy(afar, site.id, address="")
    with pytest.raises(Invalid):
        await world.desktops.put_policy(ADA, DesktopPolicy(site.id, Consent.ASK, 3), address="")
    await world.desktops.put_policy(ADA, DesktopPolicy(site.id, Consent.ASK), address="")
    assert (await world.desktops.policy(afar))[1] == []


async def test_a_policy_that_allows_looking_only_shuts_out_who_uses_it(world: DesktopWorld) -> None:
    async with world.come(await world.ticket()) as using, world.come(await world.ticket(view_only=True)) as looking:
        await world.desktops.put_policy(ADA, DesktopPolicy(None, Consent.NEVER, 30, True), address="")
        assert "only looking is allowed" in using.reason
        assert not looking.reason
        while await using.read():
            pass


async def test_a_refusal_is_told_and_on_record(world: DesktopWorld) -> None:
    world.device.answers = (WAIT, write_line("refused", reason="denied", detail="The user did not allow it."))
    with pytest.raises(Conflict) as no:
        async with world.come(await world.ticket()):
            pass
    assert no.value.code == "desktop_refused"
    assert "did not allow it" in no.value.detail
    assert await status(world) == "Failed"
    assert (await world.audit("desktop.close"))["consent"] == "not given"


async def test_rejects_tokens_that_were_used_are_old_or_somebody_elses(world: DesktopWorld) -> None:
    used = await world.ticket()
    async with world.come(used):
        pass
    old = await world.ticket()
    world.rest.people.clock.advance(121)
    hers = await world.ticket()
    namesake = replace(OLGA, operator_id=8)
    for token, who in ((used, OLGA), (old, OLGA), ("guess", OLGA), (hers, ADA), (hers, OLGA)):
        with pytest.raises(NotFound) as no:
            async with world.come(token, who):
                pass
        assert no.value.code == "invalid_session"
    with pytest.raises(NotFound):
        async with world.come(await world.ticket(), namesake):
            pass
    assert len(world.device.orders) == 1


async def test_rejects_devices_out_of_sight_at_both_steps(world: DesktopWorld) -> None:
    afar = replace(OLGA, sites=frozenset({99}))
    with pytest.raises(NotFound):
        await world.ticket(afar)
    token = await world.ticket()
    with pytest.raises(NotFound):
        async with world.come(token, afar):
            pass
    assert world.device.orders == []


async def test_rejects_who_lost_the_right_between_the_steps(world: DesktopWorld) -> None:
    token = await world.ticket()
    world.rights.gone = True
    with pytest.raises(Forbidden):
        async with world.come(token):
            pass
    assert world.device.orders == []


async def test_rejects_an_operator_whose_right_goes_while_the_user_is_asked(world: DesktopWorld) -> None:
    world.device.answers, world.device.first = (WAIT,), b""
    token = await world.ticket()

    async def come() -> EngineError | None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                async with world.come(token):
                    return None
            except EngineError as error:
                return error
        return None

    async with Supervisor() as tasks:
        tasks.start("ask for rights", world.stays.run_loop())
        coming = asyncio.ensure_future(come())
        await until(lambda: world.waits)
        world.rights.gone = True
        world.stays.rights_changed()
        error = await asyncio.wait_for(coming, 20)
    assert error is not None
    assert (error.code, "rights changed" in error.detail) == ("desktop_ended", True)
    await asyncio.wait_for(world.device.closed.wait(), 20)


async def test_ends_when_somebody_ends_it_the_device_is_revoked_or_the_tunnel_closes(world: DesktopWorld) -> None:
    async with world.come(await world.ticket()) as stream:
        (mine,) = world.desktops.listed(OLGA)
        with pytest.raises(NotFound):
            await world.desktops.end(replace(ADA, sites=frozenset({99})), mine.id, address="")
        await world.desktops.end(ADA, mine.id, address="192.0.2.9")
        assert await read_all(stream) == b"RFB 003.008\n"
        assert stream.reason == "ada ended it."
    async with world.come(await world.ticket()) as stream:
        world.device.ended.set()
        await read_all(stream)
        assert stream.reason == "The tunnel to the device was closed."
    world.device.ended.clear()
    async with world.come(await world.ticket()) as stream:
        answer = await world.rest.owner().post(f"/api/devices/{world.guid}/revoke")
        assert answer.status == 200
        await read_all(stream)
        assert "not active" in stream.reason
    with pytest.raises(Conflict):
        await world.ticket()


async def read_all(stream: Stream) -> bytes:
    data = b""
    async with asyncio.timeout(20):
        with contextlib.suppress(OSError):
            while more := await stream.read():
                data += more
    return data


def test_operators_have_the_permission_and_viewers_do_not() -> None:
    assert OLGA.may(STAY_KIND.permission)
    assert not replace(OLGA, role=OperatorRole.VIEWER).may(STAY_KIND.permission)
