"""Runs on their way to devices: waiting, sending, expiring, cancelling, coming back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_device_link import FakeDevice, FakeDevices, FakeLink
from tests.unit.engine.dispatch.conftest import ADMIN, SYSTEM, Bench, make_bench

from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.storage import Database
from borealis_wire.envelope import CANCEL_TYPE, JOB_TYPE, open_envelope
from borealis_wire.events import RunContext
from borealis_wire.messages import JobOutput, JobResult
from borealis_wire.orders import parse_cancel, parse_job


@asynccontextmanager
async def driving(bench: Bench) -> AsyncIterator[None]:
    """The dispatcher's loop runs; time moves only when a test says so."""
    task = asyncio.get_running_loop().create_task(bench.dispatcher.run_loop())
    await settle()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    """Let tasks and the database's thread do what they can."""
    for _ in range(10):
        await asyncio.sleep(0.005)


def connect(bench: Bench, guid: str = "GUID-1") -> None:
    bench.link.sessions.add((guid, SYSTEM))


async def test_what_is_sent_is_sealed_for_that_device_and_says_everything(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch("echo $NAME", variable_values={"name": "x"}, timeout_seconds=7)
        await settle()
    (payload,) = bench.link.jobs
    key = bench.signing.current_public
    order = parse_job(open_envelope(payload["envelope"], expected_type=JOB_TYPE, trusted={key.key_id: key}).payload)
    assert (order.run_id, order.device_guid, order.context) == (run_id, "GUID-1", SYSTEM)
    assert (order.timeout_seconds, order.environment["NAME"]) == (7, "x")
    assert payload["run_mode"] == "system"
    assert (await bench.run(run_id))["status"] == "Running"


async def test_a_job_for_a_device_without_session_waits_for_it(bench: Bench) -> None:
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        assert bench.link.jobs == []
        assert (await bench.run(run_id))["status"] == "Pending"
        connect(bench)
        await bench.dispatcher.device_ready("GUID-1", SYSTEM, set())
        await settle()
    assert [payload["run_id"] for payload in bench.link.jobs] == [run_id]


async def test_a_result_is_recorded_once_and_repeats_are_acknowledged(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        assert await bench.result(run_id, stdout="one", exit_code=0) == {"status": "ok"}
        assert (await bench.result(run_id, "Failed", stdout="two"))["ignored"] == "repeated"
    run = await bench.run(run_id)
    assert (run["status"], run["stdout"], run["exit_code"]) == ("Success", "one", 0)


async def test_rejects_result_of_another_device_or_context(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
    stolen = JobResult(run_id=run_id, status="Success")
    for guid, context in (("GUID-2", SYSTEM), ("GUID-1", RunContext.INTERACTIVE)):
        answer = await bench.dispatcher.device_result(guid, context, stolen)
        assert answer == {"status": "ok", "ignored": "unknown_run"}
    assert (await bench.run(run_id))["status"] == "Running"


async def test_rejects_status_that_no_device_may_report(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
    with pytest.raises(Invalid, match="invalid_status"):
        await bench.result(run_id, "Expired")


async def test_rejects_result_for_a_run_that_never_left(bench: Bench) -> None:
    (run_id,) = await bench.launch()
    assert (await bench.result(run_id))["ignored"]
    assert (await bench.run(run_id))["status"] == "Pending"


async def test_a_lost_acknowledgement_leads_to_another_offer_not_to_a_second_run(bench: Bench) -> None:
    connect(bench)
    answers = iter([None, {"status": "refused", "reason": "replayed"}])
    bench.link.answer = lambda _payload: next(answers)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        for _ in range(3):
            bench.clock.advance(2)
            await settle()
    assert len(bench.link.jobs) == 2
    assert bench.link.jobs[0]["envelope"] == bench.link.jobs[1]["envelope"], "the same order, not a new one"
    assert (await bench.run(run_id))["status"] == "Running"


async def test_a_refusal_is_shown_with_its_reason_and_advice(bench: Bench) -> None:
    connect(bench)
    bench.link.answer = lambda _payload: {"status": "refused", "reason": "interpreter_missing"}
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
    run = await bench.run(run_id)
    assert (run["status"], run["reason"]) == ("Refused", "interpreter_missing")
    assert "nstall" in run["advice"]


async def test_an_order_that_nobody_fetched_expires(bench: Bench) -> None:
    async with driving(bench):
        (run_id,) = await bench.launch(expires_in_seconds=60)
        bench.clock.advance(61)
        await settle()
    run = await bench.run(run_id)
    assert (run["status"], run["reason"]) == ("Expired", "expired")


async def test_a_result_that_comes_after_expiry_still_counts(bench: Bench) -> None:
    connect(bench)
    bench.link.answer = lambda _payload: None
    async with driving(bench):
        (run_id,) = await bench.launch(expires_in_seconds=60)
        await settle()
        bench.link.sessions.clear()
        for _ in range(4):
            bench.clock.advance(60)
            await settle()
        assert (await bench.run(run_id))["status"] == "Expired"
        assert await bench.result(run_id, stdout="it ran") == {"status": "ok"}
    assert (await bench.run(run_id))["status"] == "Success"


async def test_cancelling_what_never_left_ends_it_here(bench: Bench) -> None:
    async with driving(bench):
        (run_id,) = await bench.launch()
        assert await bench.jobs.cancel(ADMIN, run_id) == "cancelled"
        connect(bench)
        await bench.dispatcher.device_ready("GUID-1", SYSTEM, set())
        await settle()
    assert bench.link.jobs == []
    assert (await bench.run(run_id))["status"] == "Cancelled"
    with pytest.raises(Conflict, match="run_finished"):
        await bench.jobs.cancel(ADMIN, run_id)


async def test_cancelling_a_running_job_sends_a_sealed_order(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        assert await bench.jobs.cancel(ADMIN, run_id) == "requested"
        await settle()
        (cancel,) = bench.link.cancels
        key = bench.signing.current_public
        opened = open_envelope(cancel["envelope"], expected_type=CANCEL_TYPE, trusted={key.key_id: key})
        assert parse_cancel(opened.payload).run_id == run_id
        await bench.result(run_id, "Cancelled")
    assert (await bench.run(run_id))["status"] == "Cancelled"


async def test_a_revoked_device_gets_nothing_and_its_runs_end(bench: Bench) -> None:
    async with driving(bench):
        (run_id,) = await bench.launch()
        bench.devices.set_status("GUID-1", "revoked")
        connect(bench)
        bench.clock.advance(1)
        await settle()
    assert bench.link.jobs == []
    assert (await bench.run(run_id))["reason"] == "device_revoked"


async def test_a_quarantined_device_gets_its_waiting_work_once_released(bench: Bench) -> None:
    async with driving(bench):
        (run_id,) = await bench.launch()
        bench.devices.set_status("GUID-1", "quarantined")
        connect(bench)
        await bench.dispatcher.device_ready("GUID-1", SYSTEM, set())
        assert await bench.dispatcher.work_for_poll("GUID-1", SYSTEM) == ([], [])
        await settle()
        assert bench.link.jobs == []
        with pytest.raises(Forbidden, match="device_quarantined"):
            await bench.launch(guids=["GUID-1"], all=False)
        bench.devices.set_status("GUID-1", "active")
        bench.clock.advance(1)
        await settle()
    assert [payload["run_id"] for payload in bench.link.jobs] == [run_id]


async def test_polling_hands_out_the_same_sealed_order(bench: Bench) -> None:
    (run_id,) = await bench.launch()
    jobs, cancels = await bench.dispatcher.work_for_poll("GUID-1", SYSTEM)
    assert ([job.run_id for job in jobs], cancels) == ([run_id], [])
    assert await bench.dispatcher.work_for_poll("GUID-1", SYSTEM) == ([], []), "it is leased"
    assert await bench.dispatcher.work_for_poll("GUID-1", RunContext.INTERACTIVE) == ([], [])
    assert await bench.result(run_id) == {"status": "ok"}


async def test_live_output_is_kept_in_order_without_repeats(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        for seq, data in ((0, "a"), (2, "c"), (1, "b"), (1, "b")):
            await bench.dispatcher.device_output(
                "GUID-1", SYSTEM, JobOutput(run_id=run_id, seq=seq, stream="stdout", data=data)
            )
        await bench.activity.flush()
        number = (await bench.run(run_id))["activity_id"]
        chunks, done = await bench.jobs.history.wait_output(number, run_id, -1, 0)
    assert ("".join(chunk.data for chunk in chunks), done) == ("abc", False)


async def test_rejects_output_of_another_device(bench: Bench) -> None:
    connect(bench)
    async with driving(bench):
        (run_id,) = await bench.launch()
        await settle()
        await bench.dispatcher.device_output(
            "GUID-2", SYSTEM, JobOutput(run_id=run_id, seq=0, stream="stdout", data="forged")
        )
    assert bench.activity.output.statistics()["output_waiting"] == 0


async def test_site_limited_operators_neither_start_nor_cancel_elsewhere(bench: Bench) -> None:
    elsewhere = Principal(2, "bob", OperatorRole.OPERATOR, frozenset({2}))
    (run_id,) = await bench.launch()
    with pytest.raises(NotFound):
        await bench.jobs.cancel(elsewhere, run_id)
    with pytest.raises(NotFound):
        await bench.jobs.history.run(elsewhere.sites, run_id=run_id)
    assert (await bench.run(run_id))["cancel_requested"] is False


async def test_survives_engine_crash_with_runs_in_every_state(bench: Bench, tmp_path: Path, database: Database) -> None:
    connect(bench)
    async with driving(bench):
        (done,) = await bench.launch("done")
        await settle()
        await bench.result(done)
        (running,) = await bench.launch("running")
        await settle()
        bench.link.sessions.clear()
        (waiting,) = await bench.launch("waiting")
    again = await make_bench(tmp_path, database, bench.devices, FakeLink(), FakeClock(bench.clock.now() + 5))
    async with driving(again):
        connect(again)
        await again.dispatcher.device_ready("GUID-1", SYSTEM, {running})
        await settle()
        assert [payload["run_id"] for payload in again.link.jobs] == [waiting]
        for run_id in (running, waiting):
            assert await again.result(run_id) == {"status": "ok"}
    assert {(await again.run(run_id))["status"] for run_id in (done, running, waiting)} == {"Success"}


async def test_a_job_to_many_devices_goes_to_each_once(tmp_path: Path, database: Database) -> None:
    devices = FakeDevices(*(FakeDevice(f"GUID-{n}", f"host-{n}", 1) for n in range(300)))
    bench = await make_bench(tmp_path, database, devices, FakeLink(), FakeClock())
    for guid in devices.by_guid:
        connect(bench, guid)
    async with driving(bench):
        run_ids = await bench.launch()
        for _ in range(20):
            await settle()
            if len(bench.link.jobs) >= 300:
                break
    assert sorted(payload["run_id"] for payload in bench.link.jobs) == sorted(run_ids)
