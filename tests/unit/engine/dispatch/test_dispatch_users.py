"""Runs for signed-in users: whose agent gets them, who may tell how they end, and what waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_device_link import FakeDevice, FakeDevices, FakeLink
from tests.unit.engine.dispatch.conftest import Bench, make_bench

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import Invalid
from borealis_engine.storage import Database
from borealis_wire import base64s, strict_json
from borealis_wire.events import RunContext
from borealis_wire.messages import JobOutput, JobResult

GUID = "GUID-1"
INTERACTIVE = RunContext.INTERACTIVE


@pytest.fixture
async def desk(bench: Bench) -> AsyncIterator[Bench]:
    """A dispatcher that sends; nobody is signed in yet."""
    async with Supervisor() as tasks:
        bench.dispatcher._tasks = tasks
        yield bench


async def launch(desk: Bench, user: str = "") -> str:
    (run_id,) = await desk.launch(context="interactive", run_as_user=user)
    return run_id


async def told(desk: Bench, run_id: str, user: str) -> dict[str, str]:
    return await desk.dispatcher.device_result(GUID, INTERACTIVE, JobResult(run_id=run_id, status="Success"), user=user)


async def settle(desk: Bench) -> None:
    """Let the dispatcher do what is due, to its end."""
    await desk.dispatcher.tick()
    async with asyncio.timeout(10):
        while desk.dispatcher.statistics()["ready"] or desk.dispatcher.statistics()["sending"]:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.01)  # cancels go out beside


async def test_who_is_named_gets_it_and_the_name_is_sealed(desk: Bench) -> None:
    desk.link.users = {GUID: ["ada", "bob"]}
    run_id = await launch(desk, "bob")
    await settle(desk)
    assert desk.link.to == ["bob"]
    order = strict_json.loads(base64s.decode(desk.link.jobs[0]["envelope"]["payload"]), max_bytes=10_000)
    assert (order["user"], order["context"]) == ("bob", "interactive")
    assert await told(desk, run_id, "bob") == {"status": "ok"}
    run = await desk.run(run_id)
    assert (run["status"], run["run_as_user"], run["ran_as_user"]) == ("Success", "bob", "bob")


async def test_who_is_named_and_away_is_waited_for(desk: Bench) -> None:
    desk.link.users = {GUID: ["ada"]}
    run_id = await launch(desk, "bob")
    await settle(desk)
    assert desk.link.jobs == []
    assert (await desk.run(run_id))["ran_as_user"] == "", "nobody has it yet"
    desk.link.users = {GUID: ["ada", "bob"]}
    await desk.dispatcher.device_ready(GUID, INTERACTIVE, set(), user="bob")
    await settle(desk)
    assert desk.link.to == ["bob"]


async def test_without_a_name_one_who_is_there_gets_it_or_the_first_to_come(desk: Bench) -> None:
    waiting = await launch(desk)
    desk.link.users = {GUID: ["ada", "bob"]}
    await desk.dispatcher.device_ready(GUID, INTERACTIVE, set(), user="ada")
    await settle(desk)
    at_once = await launch(desk)
    await settle(desk)
    assert desk.link.to == ["ada", "ada"]
    assert "user" not in strict_json.loads(base64s.decode(desk.link.jobs[1]["envelope"]["payload"]), max_bytes=10_000)
    for run_id in (waiting, at_once):
        assert (await desk.run(run_id))["ran_as_user"] == "ada"


async def test_rejects_a_result_and_output_of_another_user(desk: Bench) -> None:
    desk.link.users = {GUID: ["ada", "bob"]}
    named, any_one = await launch(desk, "bob"), await launch(desk)
    await settle(desk)
    for run_id, thief in ((named, "ada"), (any_one, "bob"), (named, ""), (any_one, "")):
        assert (await told(desk, run_id, thief))["ignored"] == "unknown_run"
        piece = JobOutput(run_id=run_id, seq=0, stream="stdout", data="forged")
        await desk.dispatcher.device_output(GUID, INTERACTIVE, piece, user=thief)
    await desk.activity.flush()
    for run_id in (named, any_one):
        assert (await desk.run(run_id))["status"] == "Running"
        chunks, _ = await desk.jobs.history.wait_output((await desk.run(run_id))["activity_id"], run_id, -1, 0)
        assert chunks == []


async def test_what_was_offered_to_one_user_is_never_offered_to_another(desk: Bench) -> None:
    """He may have begun it; his agent tells when he comes back."""
    desk.link.users = {GUID: ["ada"]}
    desk.link.answer = lambda _payload: None
    run_id = await launch(desk)
    await settle(desk)
    assert desk.link.to == ["ada"]
    desk.link.users = {GUID: ["bob"]}
    await desk.dispatcher.device_ready(GUID, INTERACTIVE, set(), user="bob")
    desk.clock.advance(300)
    await settle(desk)
    assert desk.link.to == ["ada"]
    assert await told(desk, run_id, "ada") == {"status": "ok"}


async def test_what_nobody_was_offered_goes_to_who_is_left(desk: Bench) -> None:
    """It was recorded as on its way to somebody, who signed out at that moment."""
    desk.link.users = {GUID: ["ada"]}
    tasks, desk.dispatcher._tasks = desk.dispatcher._tasks, None
    run_id = await launch(desk)
    assert (await desk.run(run_id))["ran_as_user"] == "ada"
    desk.dispatcher._tasks = tasks
    desk.link.users = {GUID: ["bob"]}
    await settle(desk)
    assert desk.link.to == ["bob"]
    assert (await desk.run(run_id))["ran_as_user"] == "bob"
    assert (await told(desk, run_id, "ada"))["ignored"] == "unknown_run"
    assert await told(desk, run_id, "bob") == {"status": "ok"}


async def test_polling_brings_each_user_their_own(desk: Bench) -> None:
    named, any_one = await launch(desk, "bob"), await launch(desk)
    jobs, _ = await desk.dispatcher.work_for_poll(GUID, INTERACTIVE, user="ada")
    assert [job.run_id for job in jobs] == [any_one]
    jobs, _ = await desk.dispatcher.work_for_poll(GUID, INTERACTIVE, user="bob")
    assert [job.run_id for job in jobs] == [named]


async def test_an_agent_that_names_nobody_is_served_as_before(desk: Bench) -> None:
    desk.link.sessions = {(GUID, INTERACTIVE)}
    run_id, named = await launch(desk), await launch(desk, "ada")
    await settle(desk)
    assert desk.link.to == [""]
    desk.link.sessions, desk.link.users = set(), {GUID: ["ada"]}
    await desk.dispatcher.device_ready(GUID, INTERACTIVE, {run_id}, user="ada")  # the agent was brought up to date
    await settle(desk)
    assert desk.link.to == ["", "ada"]
    for each in (run_id, named):
        assert await told(desk, each, "ada") == {"status": "ok"}


async def test_a_result_by_a_name_of_what_was_handed_to_nobody_by_name_ends_it(desk: Bench) -> None:
    desk.link.sessions = {(GUID, INTERACTIVE)}
    run_id = await launch(desk)
    await settle(desk)
    assert await told(desk, run_id, "ada") == {"status": "ok"}
    assert (await desk.run(run_id))["ran_as_user"] == "ada"
    assert desk.dispatcher.statistics()["lanes"] == 0, "nothing of it is left behind"
    assert (await told(desk, run_id, "bob"))["ignored"] == "unknown_run"


async def test_a_cancel_goes_to_whose_agent_has_the_run(desk: Bench) -> None:
    from tests.unit.engine.dispatch.conftest import ADMIN

    desk.link.users = {GUID: ["ada", "bob"]}
    run_id = await launch(desk, "bob")
    await settle(desk)
    await desk.jobs.cancel(ADMIN, run_id)
    await settle(desk)
    assert desk.link.to == ["bob", "bob"]
    assert len(desk.link.cancels) == 1


async def test_survives_engine_crash_with_runs_of_several_users(
    tmp_path: Path, database: Database, desk: Bench
) -> None:
    desk.link.users = {GUID: ["ada", "bob"]}
    mine, named = await launch(desk), await launch(desk, "bob")
    await settle(desk)
    away = await launch(desk, "eve")
    await desk.activity.flush()
    devices, link = FakeDevices(FakeDevice(GUID, "alpha", 1)), FakeLink(users={GUID: ["bob", "eve"]})
    later = await make_bench(tmp_path / "later", database, devices, link, FakeClock())
    async with Supervisor() as tasks:
        later.dispatcher._tasks = tasks
        await later.dispatcher.device_ready(GUID, INTERACTIVE, {named}, user="bob")
        await later.dispatcher.device_ready(GUID, INTERACTIVE, set(), user="eve")
        await settle(later)
        assert link.to == ["eve"]
        assert [job["run_id"] for job in link.jobs] == [away]
        assert (await told(later, mine, "bob"))["ignored"] == "unknown_run"
        assert await told(later, mine, "ada") == {"status": "ok"}
        assert await told(later, named, "bob") == {"status": "ok"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"context": "system", "run_as_user": "ada"},
        {"run_as_user": "ada"},
        {"context": "interactive", "run_as_user": "a\tb"},
        {"context": "interactive", "run_as_user": "a\u202eb"},
    ],
)
async def test_rejects_a_user_who_cannot_be_meant(desk: Bench, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as raised:
        await desk.launch(**wrong)
    assert raised.value.code == "invalid_user"
