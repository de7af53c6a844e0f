"""Orders at the agent's door: what runs, what does not and why, and that nothing runs twice (threats 8, 9, 10)."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.fake_clock import DEFAULT_NOW, FakeClock
from tests.fakes.intake_world import IntakeWorld, refused
from tests.fakes.jobs import GUID, cancel_payload, job_payload

from borealis_wire.events import DEVICE_RESULT_STATUSES, RefusalCode, RunContext, RunStatus, ScriptType
from borealis_wire.keys import SigningKey

OTHER_KEY = SigningKey.from_seed(b"somebody else's key, not pinned."[:32])


async def test_a_job_is_begun_acknowledged_and_its_result_sent(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload("echo hi", environment={"A": "b"})
        assert await world.intake.job_arrived(payload) == {"status": "accepted"}
        await world.settle()
        assert world.intake.running_ids() == [payload["run_id"]]
        assert world.script.jobs[0].script == b"echo hi"
        world.script.go.set()
        await world.settle()
        (result,) = world.results
        assert (result["run_id"], result["status"], result["exit_code"]) == (payload["run_id"], "Success", 0)
        assert result["context"] == {"run_id": payload["run_id"]}
        assert world.intake.running_ids() == []


async def test_rejects_run_that_comes_again_while_it_runs_and_after(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload()
        first = await world.intake.job_arrived(payload)
        again = await world.intake.job_arrived(copy.deepcopy(payload))
        world.script.go.set()
        await world.settle()
        after = await world.intake.job_arrived(payload)
        await world.settle()
        assert [first["status"], again, after] == [
            "accepted",
            {"status": "refused", "reason": "replayed"},
            {"status": "refused", "reason": "replayed"},
        ]
        assert len(world.script.jobs) == 1


async def test_rejects_run_that_comes_again_after_a_restart(tmp_path: Path) -> None:
    payload = job_payload()
    async with IntakeWorld(tmp_path) as world:
        await world.intake.job_arrived(payload)
        await world.settle()
    async with IntakeWorld(tmp_path) as world:
        assert (await world.intake.job_arrived(payload))["reason"] == "replayed"
        assert world.script.jobs == []


def tampered(change: str) -> dict[str, Any]:
    """A sealed job with one thing changed."""
    payload = job_payload("echo hi", environment={"A": "b"})
    match change:
        case "script":
            payload["script_content"] = "cm0gLXJmIC8="
        case "signature":
            payload["envelope"]["signatures"] = []
        case "no envelope":
            del payload["envelope"]
        case "other key":
            payload = job_payload("echo hi", key=OTHER_KEY)
            payload["signing_key"] = OTHER_KEY.public.spki_base64
        case "body":
            body = payload["envelope"]["payload"]
            payload["envelope"]["payload"] = body[:-8] + ("AAAA" if body[-8:-4] != "AAAA" else "BBBB") + body[-4:]
        case "device":
            payload = job_payload(guid=GUID.replace("1", "9"))
        case "context":
            payload = job_payload(context=RunContext.INTERACTIVE)
        case "late":
            payload = job_payload(issued_at=DEFAULT_NOW - 7200, lifetime=3600)
        case "early":
            payload = job_payload(issued_at=DEFAULT_NOW + 600)
        case "type":
            payload = job_payload(script_type=ScriptType.ANSIBLE)
        case "extra file":
            payload["files"] = [{"file_name": "x", "data": "eA=="}]
        case "not an object":
            return "hello"  # type: ignore[return-value]
    return payload


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("script", "digest_mismatch"),
        ("signature", "bad_signature"),
        ("no envelope", "malformed"),
        ("other key", "unknown_key"),
        ("body", "bad_signature"),
        ("device", "wrong_device"),
        ("context", "wrong_context"),
        ("late", "expired"),
        ("early", "not_yet_valid"),
        ("type", "unsupported_type"),
        ("extra file", "digest_mismatch"),
        ("not an object", "malformed"),
    ],
)
async def test_rejects_job_and_says_why_everywhere(
    tmp_path: Path, change: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = tampered(change)
        assert await world.intake.job_arrived(payload) == {"status": "refused", "reason": code}
        await world.settle()
        assert world.script.jobs == []
        assert world.spool.statistics()["journal_ids"] == 0
        assert "signature: run" in caplog.text and code in caplog.text
        if isinstance(payload, dict):
            (result,) = world.results
            assert (result["run_id"], result["status"], result["reason"]) == (payload["run_id"], "Refused", code)


async def test_what_stands_outside_the_envelope_is_not_believed(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload("echo hi", timeout=7)
        payload |= {"timeout_seconds": 99999, "environment": {"LD_PRELOAD": "x"}, "script_type": "python", "job_id": 1}
        payload |= {"run_mode": "admin", "variables": [{"name": "x"}]}
        assert (await world.intake.job_arrived(payload))["status"] == "accepted"
        await world.settle()
        order = world.script.jobs[0].order
        assert (order.timeout_seconds, order.environment, order.script_type, order.job_id) == (7, {}, "bash", 7)


async def test_a_key_that_the_other_agent_heard_of_is_found(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.trust.next_keys = {OTHER_KEY.public.key_id: OTHER_KEY.public}
        assert (await world.intake.job_arrived(job_payload(key=OTHER_KEY)))["status"] == "accepted"


async def test_rejects_more_than_fits_without_journalling_it(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path, max_runs=2) as world:
        payloads = [job_payload() for _ in range(3)]
        answers = [await world.intake.job_arrived(payload) for payload in payloads]
        assert [answer.get("reason", "") for answer in answers] == ["", "", "busy"]
        await world.settle()
        assert world.results == []
        world.script.go.set()
        await world.settle()
        assert (await world.intake.job_arrived(payloads[2]))["status"] == "accepted"


async def test_a_busy_device_says_so_by_a_result_where_nobody_hears_acknowledgements(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path, max_runs=0) as world:
        await world.intake.job_arrived(job_payload(), polled=True)
        await world.settle()
        assert [result["reason"] for result in world.results] == ["busy"]


async def test_survives_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload()

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(world.spool._journal.file, "append", full)
            assert await world.intake.job_arrived(payload) == {"status": "refused", "reason": "busy"}
        assert world.script.jobs == []
        assert (await world.intake.job_arrived(payload))["status"] == "accepted"


async def test_a_cancel_ends_the_run(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload()
        await world.intake.job_arrived(payload)
        await world.settle()
        await world.intake.cancel_arrived(cancel_payload(payload["run_id"]))
        await world.settle()
        assert world.script.cancelled == [payload["run_id"]]
        (result,) = world.results
        assert (result["status"], result["reason"]) == ("Cancelled", "cancelled by an operator")


async def test_a_cancel_that_is_faster_than_its_job_is_remembered(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload()
        await world.intake.cancel_arrived(cancel_payload(payload["run_id"]))
        assert (await world.intake.job_arrived(payload))["status"] == "accepted"
        await world.settle()
        assert world.script.jobs == []
        assert [result["status"] for result in world.results] == ["Cancelled"]
        assert (await world.intake.job_arrived(payload))["reason"] == "replayed"


@pytest.mark.parametrize(
    "forged",
    [
        lambda run: cancel_payload(run, key=OTHER_KEY),
        lambda run: cancel_payload(run, guid=GUID.replace("1", "2")),
        lambda run: cancel_payload(run, issued_at=DEFAULT_NOW - 9000),
        lambda run: {"run_id": run},
        lambda run: {"run_id": run, "envelope": job_payload(run_id=run)["envelope"]},
        lambda run: None,
        lambda run: [run],
    ],
)
async def test_rejects_cancel_that_is_not_sealed_for_this_device(tmp_path: Path, forged: Any) -> None:
    async with IntakeWorld(tmp_path) as world:
        payload = job_payload()
        await world.intake.job_arrived(payload)
        await world.settle()
        await world.intake.cancel_arrived(forged(payload["run_id"]))
        await world.settle()
        assert world.script.cancelled == []


async def test_a_role_that_fails_costs_its_run_alone(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.script.failure = RuntimeError("the role broke")
        world.script.go.set()
        await world.intake.job_arrived(job_payload())
        await world.settle()
        world.script.failure = None
        await world.intake.job_arrived(job_payload())
        await world.settle()
        assert [result["status"] for result in world.results] == ["Failed", "Success"]
        assert "the role broke" in world.results[0]["reason"]


async def test_a_missing_interpreter_is_a_refusal_after_acceptance(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.script.failure = refused(RefusalCode.INTERPRETER_MISSING)
        world.script.go.set()
        assert (await world.intake.job_arrived(job_payload()))["status"] == "accepted"
        await world.settle()
        assert [(r["status"], r["reason"]) for r in world.results] == [("Refused", "interpreter_missing")]


async def test_the_end_of_the_agent_interrupts_what_runs_and_keeps_it_for_the_next_start(tmp_path: Path) -> None:
    payload = job_payload()
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.http.failure = OSError("no network")
        await world.intake.job_arrived(payload)
        await world.settle()
        await world.intake.stop()
        assert (await world.intake.job_arrived(job_payload()))["reason"] == "busy"
    async with IntakeWorld(tmp_path) as world:
        world.intake.report_interrupted()
        await world.settle()
        assert [(r["run_id"], r["status"]) for r in world.results] == [(payload["run_id"], "Interrupted")]


async def test_survives_a_kill_and_reports_what_was_cut_off(tmp_path: Path) -> None:
    payload = job_payload()
    world = IntakeWorld(tmp_path)
    await world.tasks.__aenter__()
    await world.intake.job_arrived(payload)
    killed = IntakeWorld(tmp_path)  # another life finds the files as they are
    async with killed:
        assert killed.intake.running_ids() == [payload["run_id"]]
        killed.intake.report_interrupted()
        await killed.settle()
        assert [r["status"] for r in killed.results] == ["Interrupted"]
        assert killed.results[0]["job_id"] == 7
    await world.__aexit__()


async def test_live_output_is_numbered_without_gaps_whatever_the_socket_does(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        await world.intake.job_arrived(job_payload())
        await world.settle()
        sink = world.script.sink
        assert sink is not None
        await sink("stdout", "one")
        world.door.answer = lambda event, _data: TimeoutError() if event == "quick_job_output" else {"status": "ok"}
        await sink("stderr", "two")
        world.door.connected = False
        await sink("stdout", "never heard")
        world.door.connected = True
        world.door.answer = lambda _event, _data: {"status": "ok"}
        world.clock.advance(60)
        await sink("stdout", "three")
        pieces = [(piece["seq"], piece["stream"], piece["data"]) for piece in world.door.of("quick_job_output")]
        assert pieces == [(0, "stdout", "one"), (1, "stderr", "two"), (1, "stderr", "two"), (2, "stdout", "three")]


async def test_an_upstream_style_role_runs_a_job_by_itself(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.router.handlers.clear()

        def listener(payload: Any) -> None:
            told = {"job_id": payload["job_id"], "status": "Success", "stdout": "by itself", "stderr": ""}
            assert not world.intake.told_by_role({**told, "status": "Running"})
            assert world.intake.told_by_role(told)

        world.router.listeners["quick_job_run"] = listener
        payload = job_payload()
        assert (await world.intake.job_arrived(payload))["status"] == "accepted"
        await world.settle()
        assert [(r["run_id"], r["status"], r["stdout"]) for r in world.results] == [
            (payload["run_id"], "Success", "by itself")
        ]


async def test_rejects_unverified_payload_for_upstream_style_listeners(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.router.listeners["quick_job_run"] = lambda _payload: None
        for change in ("script", "signature", "other key", "device", "late"):
            await world.intake.job_arrived(tampered(change))
        for event in ("vpn_tunnel_start", "vpn_tunnel_stop"):
            world.router.listeners[event] = lambda _payload: None
            assert (await world.intake.event_arrived(event, {"agent_id": "x"}))["status"] == "refused"
        await world.settle()
        assert world.router.told == []


async def test_listeners_hear_a_verified_job_that_another_role_runs(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.router.listeners["quick_job_run"] = lambda _payload: None
        payload = job_payload()
        await world.intake.job_arrived(payload)
        await world.settle()
        assert [told["run_id"] for _, told in world.router.told] == [payload["run_id"]]
        assert len(world.script.jobs) == 1


async def test_configuration_reaches_the_roles_and_nonsense_does_not(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        await world.intake.event_arrived("agent_config", {"roles": [{"role": "macro"}]})
        odd: list[Any] = [None, {}, {"roles": "x"}, {"roles": [1]}, []]
        for nonsense in odd:
            await world.intake.event_arrived("agent_config", nonsense)
        assert world.router.configs == [[{"role": "macro"}]]


async def test_statements_about_keys_are_followed_and_failures_survive(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        await world.intake.keys_arrived({"envelope": 1})
        for failure in (refused(RefusalCode.UNKNOWN_KEY), OSError("full"), RuntimeError("bug")):
            world.trust.failure = failure
            await world.intake.keys_arrived({"envelope": 2})
        assert len(world.trust.statements) == 4


async def test_rejects_interactive_run_that_another_users_agent_has_begun(tmp_path: Path) -> None:
    claimed: list[Any] = []

    async def claim(envelope: Any) -> None:
        if envelope in claimed:
            raise refused(RefusalCode.REPLAYED)
        claimed.append(envelope)

    payload = job_payload(context=RunContext.INTERACTIVE)
    for number, expected in enumerate(("accepted", "refused")):
        async with IntakeWorld(tmp_path / str(number), context=RunContext.INTERACTIVE, claim=claim) as world:
            assert (await world.intake.job_arrived(payload))["status"] == expected


MEMBERS = ["envelope", "script_content", "files", "run_id", "job_id", "context"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=json_values, member=st.sampled_from(MEMBERS))
def test_survives_any_payload_on_every_door(tmp_path_factory: Any, noise: Any, member: str) -> None:
    async def check() -> None:
        async with IntakeWorld(tmp_path_factory.mktemp("noise"), clock=FakeClock()) as world:
            for payload in (noise, {**job_payload(), member: noise}):
                answer = await world.intake.job_arrived(payload)
                assert answer["status"] in {"accepted", "refused"}
                await world.intake.cancel_arrived(payload)
                await world.intake.keys_arrived(payload)
                await world.intake.event_arrived("agent_config", payload)
                world.intake.told_by_role(payload)
            await asyncio.sleep(0)

    asyncio.run(check())


def test_statuses_that_an_agent_reports_are_ones_the_engine_takes() -> None:
    reported = {RunStatus.CANCELLED, RunStatus.INTERRUPTED, RunStatus.REFUSED, RunStatus.TIMED_OUT}
    assert reported <= DEVICE_RESULT_STATUSES
