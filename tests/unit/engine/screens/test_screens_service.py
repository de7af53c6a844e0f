"""Looking at screens: who may, what is sealed for whom, what is on record, and every way in which it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_base.tasks import Supervisor
from borealis_engine.activity import UseRecorder
from borealis_engine.activity.uses import ENGINE_ENDED
from borealis_engine.core.errors import Conflict, EngineError, NotFound, RateLimited
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal
from borealis_engine.screens import FrameHead, PictureAsked, Viewer, WatchAsked, WindowList
from borealis_engine.screens.service import MAX_VIEWERS, MAX_WAITING, ScreenService
from borealis_wire.envelope import SCREEN_TYPE, open_envelope
from borealis_wire.events import RunContext
from borealis_wire.screen import ScreenAction, ScreenOrder, parse_screen

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MAY = [OperatorRole.ADMIN, OperatorRole.OPERATOR]


class World:
    """An Engine and one device whose user is signed in; ``answer`` plays the device."""

    def __init__(self, rest: Rest, guid: str, site: int) -> None:
        self.rest = rest
        self.guid = guid
        self.site = site
        self.orders: list[tuple[str, ScreenOrder]] = []
        self.said: dict[str, Any] = {"status": "accepted"}
        self.brings: bytes | WindowList | str | None = PNG + b"picture"
        rest.link.sessions.add((guid, RunContext.INTERACTIVE))
        rest.link.sealed_answer = self._hear

    @property
    def screens(self) -> ScreenService:
        return self.rest.services.screens

    @property
    def owner(self) -> Principal:
        return self.rest.people.owner

    def _hear(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        keys = {key.key_id: key for key in self.rest.services.signing.public_keys}
        opened = open_envelope(payload["envelope"], expected_type=SCREEN_TYPE, trusted=keys)
        order = parse_screen(opened.payload)
        self.orders.append((event, order))
        if order.action in {ScreenAction.PICTURE, ScreenAction.LIST}:
            asyncio.get_running_loop().call_soon(self._bring, order)
        return self.said

    def _bring(self, order: ScreenOrder) -> None:
        if isinstance(self.brings, bytes):
            self.screens.picture_arrived(self.guid, order.order_id, self.brings)
        elif isinstance(self.brings, WindowList):
            found = WindowList(order.order_id, monitors=self.brings.monitors, user="anna")
            self.screens.windows_arrived(self.guid, found)
        elif isinstance(self.brings, str):
            self.screens.ended(self.guid, order.order_id, self.brings)

    async def audited(self) -> list[tuple[str, str]]:
        return [
            (entry.actor, entry.action)
            for entry in reversed(await self.rest.people.entries())
            if entry.action.startswith("screen.")
        ]

    async def watch(self, principal: Principal | None = None, **asked: Any) -> Viewer:
        return await self.screens.watch(principal or self.owner, self.guid, WatchAsked(**asked), address="")

    def frame(self, viewer: Viewer, data: bytes = JPEG) -> "asyncio.Future[dict[str, str]]":
        head = FrameHead(viewer.watch.order_id, 64, 64, tiles=[(0, 0, 64, 64, len(data))])
        return asyncio.ensure_future(self.screens.frame_arrived(self.guid, head, data))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_rest(tmp_path / "Engine") as rest:
        await rest.people.set_up()
        site = await rest.people.add_site("north")
        device = await rest.add_device("alpha", site_id=site)
        yield World(rest, device.guid, site)


async def refused(work: Any) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await work
    return raised.value


# --- pictures and lists


async def test_a_picture_is_a_sealed_order_for_one_device_and_on_record(world: World) -> None:
    answer = await world.rest.owner().post(f"/api/devices/{world.guid}/screenshot", {"monitor": 2})
    assert (answer.status, answer.body) == (200, PNG + b"picture")
    assert dict(answer.headers)["content-type"] == "image/png"
    ((event, order),) = world.orders
    assert event == "screen_order"
    assert (order.device_guid, order.context, order.monitor) == (world.guid, RunContext.INTERACTIVE, 2)
    assert 0 < order.expires_at - order.issued_at <= 60
    assert order.asked_by == "owner"
    assert await world.audited() == [("owner", "screen.picture")]
    assert world.screens.statistics()["waiting"] == 0


async def test_a_list_tells_monitors_and_the_user(world: World) -> None:
    world.brings = WindowList()
    answer = await world.rest.owner().post(f"/api/devices/{world.guid}/screen/list", {})
    assert (answer.status, answer.json()["user"]) == (200, "anna")
    assert world.orders[0][0] == "list_agent_windows"
    assert await world.audited() == [("owner", "screen.list")]


async def everybody(world: World) -> dict[str, Caller]:
    rest = world.rest
    site = frozenset({world.site})
    await rest.people.add_site("south")
    return {
        "operator": await rest.person("olga", OperatorRole.OPERATOR),
        "operator of the site": await rest.person("oskar", OperatorRole.OPERATOR, sites=site),
        "viewer": await rest.person("vera", OperatorRole.VIEWER),
        "operator of another site": await rest.person("otto", OperatorRole.OPERATOR, sites=frozenset({world.site + 1})),
        "token without the scope": await rest.token("olga", Permission.DEVICES_READ),
    }


async def test_rejects_viewers_other_sites_and_tokens_without_the_scope(world: World) -> None:
    callers = await everybody(world)
    answers = {
        name: (await caller.post(f"/api/devices/{world.guid}/screenshot", {})).status
        for name, caller in callers.items()
    }
    assert answers == {
        "operator": 200,
        "operator of the site": 200,
        "viewer": 403,
        "operator of another site": 404,
        "token without the scope": 403,
    }
    assert len(world.orders) == 2
    for path, method in (("screen", "GET"), ("screen/list", "POST")):
        answer = await callers["viewer"].call(
            method, f"/api/devices/{world.guid}/{path}", {} if method == "POST" else None
        )
        assert answer.status == 403


@pytest.mark.parametrize(
    ("said", "brings", "code"),
    [
        ({"status": "refused", "reason": "replayed"}, None, "screen_refused"),
        ({"status": "failed", "detail": "no role"}, None, "no_picture"),
        ({"status": "accepted"}, "There is no screen here.", "no_picture"),
        ({"status": "accepted"}, JPEG + b"not what was asked for", "screen_unreadable"),
    ],
)
async def test_what_went_wrong_is_told(world: World, said: dict[str, Any], brings: Any, code: str) -> None:
    world.said, world.brings = said, brings
    assert (await refused(world.screens.picture(world.owner, world.guid, PictureAsked(), address=""))).code == code
    assert await world.audited() == [("owner", "screen.picture")]


async def test_nobody_there_is_told_apart_from_nobody_signed_in(world: World) -> None:
    world.rest.link.sessions.clear()
    picture = world.screens.picture
    assert (await refused(picture(world.owner, world.guid, PictureAsked(), address=""))).code == "not_connected"
    world.rest.services.devices.session_opened(world.guid, RunContext.SYSTEM, "")
    assert (await refused(picture(world.owner, world.guid, PictureAsked(), address=""))).code == "no_session"
    assert isinstance(await refused(picture(world.owner, "no-such-guid", PictureAsked(), address="")), NotFound)
    assert await world.audited() == []


async def test_a_device_that_does_not_answer_is_given_up(world: World) -> None:
    world.brings = None
    asked = PictureAsked(seconds=0.05)
    assert (await refused(world.screens.picture(world.owner, world.guid, asked, address=""))).code == "screen_timeout"
    assert world.screens.picture_arrived(world.guid, world.orders[0][1].order_id, PNG) == {"status": "gone"}


async def test_rejects_pictures_that_another_device_brings(world: World) -> None:
    world.brings = None
    other = await world.rest.add_device("beta")
    looking = asyncio.ensure_future(world.screens.picture(world.owner, world.guid, PictureAsked(), address=""))
    while not world.orders:
        await asyncio.sleep(0.001)
    order = world.orders[0][1].order_id
    assert world.screens.picture_arrived(other.guid, order, PNG) == {"status": "gone"}
    world.screens.ended(other.guid, order, "no")
    assert world.screens.windows_arrived(world.guid, WindowList(order)) == {"status": "gone"}
    assert world.screens.picture_arrived(world.guid, order, PNG) == {"status": "ok"}
    assert (await looking).data == PNG


async def test_rejects_more_looks_than_a_device_is_asked_for_at_once(world: World) -> None:
    world.brings = None
    asked = PictureAsked(seconds=5)
    looks = [
        asyncio.ensure_future(world.screens.picture(world.owner, world.guid, asked, address=""))
        for _ in range(MAX_WAITING)
    ]
    while len(world.orders) < MAX_WAITING:
        await asyncio.sleep(0.001)
    with pytest.raises(RateLimited):
        await world.screens.picture(world.owner, world.guid, asked, address="")
    world.screens.session_closed(world.guid, RunContext.INTERACTIVE)
    assert {(await refused(look)).code for look in looks} == {"not_connected"}


# --- live views


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """With the room's own loop."""
    async with Supervisor() as tasks:
        loop = tasks.start("screens", world.screens.run_loop())
        try:
            yield
        finally:
            loop.cancel()


async def stopped(world: World) -> None:
    async with asyncio.timeout(5):
        while not any(order.action is ScreenAction.STOP for _, order in world.orders):
            await asyncio.sleep(0.005)


async def test_a_view_serves_all_who_watch_and_ends_with_the_last(world: World) -> None:
    async with running(world):
        first, second = await world.watch(), await world.watch(rate=1.0)
        assert first.watch is second.watch
        assert [order.action for _, order in world.orders] == [ScreenAction.WATCH]
        sent = world.frame(first)
        for viewer in (first, second):
            update = await viewer.next_update()
            assert update is not None
            assert update.data == JPEG
        assert await sent == {"status": "ok"}
        world.screens.leave(first)
        assert world.screens.statistics()["viewers"] == 1
        world.screens.leave(second)
        world.screens.leave(second)
        await stopped(world)
        assert world.orders[-1][1].watch_id == first.watch.order_id
        assert await world.frame(first) == {"status": "gone"}
    assert [action for _, action in await world.audited()] == ["screen.watch"] * 2 + ["screen.watch_end"] * 2
    assert world.screens.statistics() == {"live_views": 0, "viewers": 0, "kept_bytes": 0, "waiting": 0}


async def test_survives_the_end_of_the_loop_in_the_middle_of_an_ending(world: World) -> None:
    async with Supervisor() as tasks:
        loop = tasks.start("screens", world.screens.run_loop())
        viewer = await world.watch()
        hear = world.rest.link.sealed_answer

        def hear_and_stop(event: str, payload: dict[str, Any]) -> dict[str, Any]:
            loop.cancel()
            return hear(event, payload)

        world.rest.link.sealed_answer = hear_and_stop
        world.screens.leave(viewer)
        await asyncio.wait([loop])
    assert world.orders[-1][1].action is ScreenAction.STOP
    assert await world.audited() == [("owner", "screen.watch"), ("owner", "screen.watch_end")]


async def test_one_who_is_slow_gets_the_newest_picture_and_no_queue(world: World) -> None:
    quick, slow = await world.watch(), await world.watch()
    for number in range(50):
        sent = world.frame(quick, JPEG + b"%03d" % number)
        assert await quick.next_update() is not None
        assert await sent == {"status": "ok"}
    assert world.screens.statistics()["kept_bytes"] == len(JPEG) + 3
    update = await slow.next_update()
    assert update is not None
    assert update.data == JPEG + b"049"
    assert (quick.sent, slow.sent) == (50, 1)


async def test_the_device_is_held_back_until_somebody_has_taken_its_picture(world: World) -> None:
    viewer = await world.watch()
    sent = world.frame(viewer)
    await asyncio.sleep(0.02)
    assert not sent.done()
    await viewer.next_update()
    assert await sent == {"status": "ok"}


@pytest.mark.parametrize("status", ["quarantined", "revoked"])
async def test_a_view_ends_at_once_when_the_device_is_shut_out(world: World, status: str) -> None:
    async with running(world):
        viewer = await world.watch()
        deed = "quarantine" if status == "quarantined" else "revoke"
        assert (await world.rest.owner().post(f"/api/devices/{world.guid}/{deed}", {})).status == 200
        assert await viewer.next_update() is None
        assert viewer.ended == "The device is not active any more."
        await stopped(world)
        assert (await refused(world.watch())).code == "device_not_active"


async def test_a_view_ends_for_who_may_not_see_the_device_any_more(world: World) -> None:
    theirs = Principal(7, "oskar", OperatorRole.OPERATOR, sites=frozenset({world.site}))
    oskar, owner = await world.watch(theirs), await world.watch()
    south = (await world.rest.owner().post("/api/sites", {"name": "south"})).json()["id"]
    assert (await world.rest.owner().call("PATCH", f"/api/devices/{world.guid}", {"site_id": south})).status == 200
    assert await oskar.next_update() is None
    assert owner.ended is None


async def test_a_view_ends_with_its_time_its_session_and_the_devices_word(world: World) -> None:
    async with running(world):
        timed = await world.watch(seconds=10)
        world.rest.people.clock.advance(11)
        assert await timed.next_update() is None
        assert "time limit" in str(timed.ended)
        other = await world.watch()
        world.screens.session_closed(world.guid, RunContext.SYSTEM)
        assert other.ended is None
        world.screens.session_closed(world.guid, RunContext.INTERACTIVE)
        assert await other.next_update() is None
        third = await world.watch()
        world.screens.ended(world.guid, third.watch.order_id, "The display is gone.")
        assert await third.next_update() is None
        assert third.ended == "The display is gone."


async def test_rejects_frames_of_no_view_of_another_device_or_that_are_none(world: World) -> None:
    viewer = await world.watch()
    other = await world.rest.add_device("beta")
    head = FrameHead(viewer.watch.order_id, 64, 64, tiles=[(0, 0, 64, 64, 3)])
    assert await world.screens.frame_arrived(other.guid, head, JPEG) == {"status": "gone"}
    assert viewer.ended is None
    assert await world.screens.frame_arrived(world.guid, head, b"no!") == {"status": "gone"}
    assert await viewer.next_update() is None
    assert "no picture" in str(viewer.ended)


async def test_a_view_that_does_not_begin_leaves_nothing(world: World) -> None:
    world.said = {"status": "refused", "reason": "busy"}
    both = await asyncio.gather(world.watch(), world.watch(), return_exceptions=True)
    assert all(isinstance(one, Conflict) for one in both), both
    assert world.screens.statistics()["live_views"] == 0


async def test_rejects_more_who_watch_than_one_view_serves(world: World) -> None:
    for _ in range(MAX_VIEWERS):
        await world.watch()
    with pytest.raises(RateLimited):
        await world.watch()


# --- in the device's activity


async def looks(world: World, query: str = "") -> list[dict[str, Any]]:
    """The rows of activity, newest first, once what waits to be written is."""
    await world.screens.close()
    answer = await world.rest.owner().get(f"/api/runs{query}")
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json()["runs"]
    return rows


async def test_a_picture_is_a_row_of_the_devices_activity(world: World) -> None:
    path = f"/api/devices/{world.guid}/screenshot"
    region = {"x": 5, "y": 6, "width": 640, "height": 480}
    assert (await world.rest.owner().post(path, {"monitor": 2, "region": region})).status == 200
    world.brings = "There is no screen here."
    assert (await world.rest.owner().post(path, {"monitor": 0})).status == 409
    told, taken = await looks(world)
    assert taken["script_name"] == "Screen: picture of 640 x 480 pixels at 5, 6 of monitor 2"
    assert (taken["kind"], taken["script_type"], taken["status"]) == ("screen", "screen", "Success")
    assert (taken["device"], taken["created_by"], taken["context"]) == ("alpha", "owner", "interactive")
    assert taken["finished_at"] >= taken["started_at"] > 0
    assert (told["script_name"], told["status"]) == ("Screen: picture of all monitors", "Failed")
    assert (told["reason"], told["advice"]) == ("There is no screen here.", "")


async def test_a_live_view_is_a_row_for_each_who_watches_with_how_long(world: World) -> None:
    ada = Principal(7, "ada", OperatorRole.OPERATOR, sites=None)
    first, second = await world.watch(monitor=1), await world.watch(ada, monitor=1)
    rows = (await world.rest.owner().get("/api/runs")).json()["runs"]
    assert [(row["status"], row["finished_at"]) for row in rows] == [("Running", None)] * 2
    world.rest.people.clock.advance(60)
    world.screens.leave(first)
    world.rest.people.clock.advance(30)
    world.screens.session_closed(world.guid, RunContext.INTERACTIVE)
    assert second.ended
    of_ada, of_owner = await looks(world)
    assert (of_owner["created_by"], of_owner["status"], of_owner["reason"]) == ("owner", "Success", "")
    assert of_owner["finished_at"] - of_owner["started_at"] >= 60
    assert (of_ada["created_by"], of_ada["status"]) == ("ada", "Interrupted")
    assert "lost its connection" in of_ada["reason"]
    assert of_ada["finished_at"] - of_ada["started_at"] >= 90


async def test_a_view_that_the_device_refuses_is_a_row_that_failed(world: World) -> None:
    world.said = {"status": "refused", "reason": "busy"}
    assert (await refused(world.watch())).code == "screen_refused"
    (row,) = await looks(world)
    assert (row["script_name"], row["status"]) == ("Screen: live view of monitor 1", "Failed")
    assert "busy" in row["reason"]


async def test_filters_find_looks_and_leave_them_out(world: World) -> None:
    path = f"/api/devices/{world.guid}/screenshot"
    await world.rest.owner().post(path, {})
    body = {"script_content": "true", "script_type": "bash", "guids": [world.guid]}
    assert (await world.rest.owner().post("/api/scripts/quick_run", body)).status == 200
    assert [row["kind"] for row in await looks(world)] == ["job", "screen"]
    assert [row["kind"] for row in await looks(world, "?kind=screen")] == ["screen"]
    assert [row["kind"] for row in await looks(world, "?kind=job")] == ["job"]
    assert [row["kind"] for row in await looks(world, "?text=picture&status=Success")] == ["screen"]
    assert (await world.rest.owner().get("/api/runs?kind=other")).status == 400
    history = (await world.rest.owner().get("/api/device/activity/alpha")).json()["history"]
    assert [item["script_type"] for item in history] == ["bash", "screen"]
    assert (await world.rest.owner().delete("/api/device/activity/alpha")).json()["deleted"] == 1


async def test_rejects_cancel_and_a_devices_result_for_what_is_no_run(world: World) -> None:
    await world.watch()
    (row,) = (await world.rest.owner().get("/api/runs")).json()["runs"]
    answer = await world.rest.owner().post(f"/api/runs/{row['run_id']}/cancel", {})
    assert (answer.status, answer.json()["error"]) == (409, "no_run")
    activity = world.rest.services.activity
    assert await activity.find(row["run_id"], world.guid, RunContext.INTERACTIVE) is None
    assert activity.live_runs() == []


async def test_survives_an_engine_that_ended_meanwhile(world: World) -> None:
    await world.watch()
    services = world.rest.services
    again = UseRecorder(
        db=services.db,
        clock=services.clock,
        feed=services.feed,
        randomness=services.randomness,
        activity=services.activity,
    )
    await again.start()
    (row,) = (await world.rest.owner().get("/api/runs")).json()["runs"]
    assert (row["status"], row["reason"]) == ("Interrupted", ENGINE_ENDED)
    await services.activity.start()
    assert services.activity.live_runs() == []
