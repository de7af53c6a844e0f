"""The main job with the real programs: enrol, approve, run a signed script, see what it said."""

import os
import socket
import time
from pathlib import Path

import pytest
from tests.programs.programs import (
    AgentProgram,
    EngineProgram,
    pending_approvals,
    processes_with,
    run_script,
    wait_for,
    wait_online,
    wait_run,
)

pytestmark = pytest.mark.slow


def test_a_script_tells_the_truth_about_its_machine(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        (run,) = run_script(client, "hostname; id -un; echo problem >&2")
    assert (run["status"], run["exit_code"]) == ("Success", 0)
    assert run["stdout"].splitlines()[0] == socket.gethostname()
    assert run["stderr"] == "problem\n"
    assert run["started_at"] <= run["finished_at"]


def test_python_runs_in_the_agents_interpreter(engine: EngineProgram, agent: AgentProgram) -> None:
    script = "import sys; print(sys.version_info[:2])"
    with engine.owner() as client:
        (run,) = run_script(client, script, script_type="python")
    assert run["status"] == "Success", run
    assert run["stdout"].startswith("(3, ")


def test_an_exit_code_is_a_failure_with_that_code(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        (run,) = run_script(client, "exit 3")
    assert (run["status"], run["exit_code"]) == ("Failed", 3)


def test_a_time_out_leaves_no_process(engine: EngineProgram, agent: AgentProgram) -> None:
    marker = f"6{os.getpid()}.5"
    script = f"sleep {marker} & setsid sleep {marker} & (sleep {marker} &) ; sleep {marker}"
    with engine.owner() as client:
        (run,) = run_script(client, script, timeout_seconds=1)
    assert run["status"] == "Timed Out"
    wait_for("the sleeps to be gone", lambda: not processes_with(f"sleep {marker}"), seconds=5)


def test_variables_files_and_environment_arrive(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        (run,) = run_script(
            client,
            'echo "$GREETING $greeting"; cat note.txt',
            variable_values={"greeting": "hello 'world' $(id)"},
            files=[{"file_name": "note.txt", "data": "ZnJvbSBhIGZpbGU="}],
        )
    assert run["stdout"] == "hello 'world' $(id) hello 'world' $(id)\nfrom a file", run


def test_output_arrives_while_the_script_runs(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        body = {"script_content": "echo first; sleep 3; echo last", "script_type": "bash", "all": True}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        started = time.monotonic()

        def first_output() -> str | None:
            answer = client.get(f"/api/runs/{run_id}/output").json()
            return "".join(chunk["data"] for chunk in answer["chunks"]) or None

        assert wait_for("live output", first_output, seconds=2.5) == "first\n"
        assert time.monotonic() - started < 2.8, "the output came only at the end"
        assert wait_run(client, run_id)["stdout"] == "first\nlast\n"


def test_a_cancel_ends_the_whole_tree(engine: EngineProgram, agent: AgentProgram) -> None:
    marker = f"7{os.getpid()}.5"
    with engine.owner() as client:
        body = {"script_content": f"setsid sleep {marker} & sleep {marker}", "script_type": "bash", "all": True}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        wait_for("the sleeps", lambda: len(processes_with(f"sleep {marker}")) >= 2, seconds=5)
        assert client.post(f"/api/runs/{run_id}/cancel").status_code == 200
        assert wait_run(client, run_id)["status"] == "Cancelled"
    wait_for("the sleeps to be gone", lambda: not processes_with(f"sleep {marker}"), seconds=5)


def test_a_missing_interpreter_is_said(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        (run,) = run_script(client, "Get-Date", script_type="powershell")
    assert (run["status"], run["reason"]) == ("Refused", "interpreter_missing")
    assert "nstall" in run["advice"]


def test_a_job_for_an_offline_device_waits_and_runs_once(
    engine: EngineProgram, agent: AgentProgram, tmp_path: Path
) -> None:
    guid = agent.guid
    agent.stop()
    ledger = tmp_path / "ledger"
    with engine.owner() as client:
        body = {"script_content": f"echo ran >> '{ledger}'", "script_type": "bash", "guids": [guid]}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        time.sleep(0.5)
        assert client.get(f"/api/runs/{run_id}").json()["status"] == "Pending"
        agent.start()
        assert wait_run(client, run_id)["status"] == "Success"
    assert agent.guid == guid
    assert ledger.read_text() == "ran\n"


def test_a_job_that_nobody_fetched_expires(engine: EngineProgram, agent: AgentProgram) -> None:
    agent.stop()
    with engine.owner() as client:
        (run,) = run_script(client, "true", expires_in_seconds=1, wait=30)
        assert run["status"] == "Expired"


def test_history_and_identity_survive_a_restart_of_both(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        (before,) = run_script(client, "echo before")
    guid = agent.guid
    agent.stop()
    engine.stop()
    engine.start()
    agent.start()
    assert wait_online(engine, agent) == guid
    with engine.owner() as client:
        assert pending_approvals(client) == []
        after = client.get(f"/api/runs/{before['run_id']}").json()
        assert {**after, "advice": ""} == {**before, "advice": ""}
        (run,) = run_script(client, "echo again")
        assert run["stdout"] == "again\n"


def test_an_engine_restart_brings_the_agent_back_by_itself(engine: EngineProgram, agent: AgentProgram) -> None:
    engine.kill()
    time.sleep(1)
    engine.start()
    wait_online(engine, agent)
    with engine.owner() as client:
        (run,) = run_script(client, "echo back")
    assert run["stdout"] == "back\n"


def test_a_revoked_device_is_cut_off_at_once(engine: EngineProgram, agent: AgentProgram) -> None:
    guid = agent.guid
    with engine.owner() as client:
        assert client.post(f"/api/devices/{guid}/revoke", json={}).status_code == 200

        def offline() -> bool:
            return not client.get(f"/api/devices/{guid}").json()["presence"]["contexts"]

        wait_for("the socket to close", offline, seconds=3)
        answer = client.post(
            "/api/scripts/quick_run", json={"script_content": "true", "script_type": "bash", "guids": [guid]}
        )
        assert answer.status_code in {403, 409}, answer.text
        time.sleep(2)
        assert offline(), "a revoked device came back"
    assert agent.running(), "the agent must stay up and say what is wrong"
    wait_for("the agent to say so", lambda: "revoked" in agent.log_text(), seconds=10)


def test_a_quarantined_device_gets_no_work_until_released(engine: EngineProgram, agent: AgentProgram) -> None:
    guid = agent.guid
    with engine.owner() as client:
        assert client.post(f"/api/devices/{guid}/quarantine", json={}).status_code == 200
        refused = client.post(
            "/api/scripts/quick_run", json={"script_content": "true", "script_type": "bash", "guids": [guid]}
        )
        assert refused.status_code in {403, 409}, refused.text
        assert client.post(f"/api/devices/{guid}/release", json={}).status_code == 200
        wait_online(engine, agent)
        (run,) = run_script(client, "echo free")
        assert run["stdout"] == "free\n"


def test_the_inventory_of_the_device_is_there(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:

        def details() -> dict[str, object] | None:
            found = client.get(f"/api/devices/{agent.guid}").json()["details"]
            return found if found.get("software") else None

        inventory = wait_for("the inventory", details, seconds=30, log=agent.logs / "agent.log")
    assert {"summary", "cpu", "memory", "storage", "network", "software"} <= set(inventory)
