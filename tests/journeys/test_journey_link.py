"""The line between the real programs: blocked WebSockets, rotated keys, large jobs, an agent that is told to end."""

import base64
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.programs import (
    DATA,
    AgentProgram,
    EngineProgram,
    pending_approvals,
    run_script,
    wait_for,
    wait_online,
    wait_run,
)

pytestmark = pytest.mark.slow

WITHOUT_SOCKET = f"""
import sys
sys.path[:0] = [{str(DATA / "Agent")!r}, {str(DATA / "Shared")!r}]
from borealis_agent.link import driver, polling, session

async def blocked(self):
    return session.SocketFailed(detail="a proxy blocks WebSockets")

driver.Link._open = blocked
polling.FIRST_POLL_SECONDS = 0.5
import agent
sys.exit(agent.main())
"""


@pytest.fixture
def polling_agent(engine: EngineProgram, tmp_path: Path) -> Iterator[AgentProgram]:
    """An enrolled agent behind a proxy that blocks WebSockets."""
    entry = tmp_path / "without_socket.py"
    entry.write_text(WITHOUT_SOCKET)
    agent = AgentProgram(tmp_path / "agent", "--installer-code", engine.enrolment_token())
    agent.command[1] = str(entry)
    agent.start()
    try:
        with engine.owner() as client:
            approval = wait_for("the knock", lambda: next(iter(pending_approvals(client)), None), log=agent.output)
            path = f"/api/admin/device-approvals/{approval['approval_reference']}/approve"
            assert client.post(path, json={}).status_code == 200
        wait_for("the GUID", lambda: agent.guid or None)
        yield agent
    finally:
        agent.stop()


def test_an_agent_without_socket_gets_its_jobs_by_polling_and_runs_them(
    engine: EngineProgram, polling_agent: AgentProgram
) -> None:
    with engine.owner() as client:
        (run,) = run_script(client, "echo polled; exit 4", guids=[polling_agent.guid], wait=90)
        assert (run["status"], run["exit_code"], run["stdout"]) == ("Failed", 4, "polled\n")
        (missing,) = run_script(client, "x", script_type="powershell", guids=[polling_agent.guid], wait=90)
        assert (missing["status"], missing["reason"]) == ("Refused", "interpreter_missing")


def test_jobs_hold_after_the_signing_key_was_rotated(engine: EngineProgram, agent: AgentProgram) -> None:
    with engine.owner() as client:
        for revoke in (False, True):
            answer = client.post("/api/server/signing-key/rotate", json={"revoke_old": revoke})
            assert answer.status_code in {200, 201}, answer.text
            (run,) = run_script(client, "echo new key")
            assert run["stdout"] == "new key\n", run
        agent.stop()
        assert client.post("/api/server/signing-key/rotate", json={"revoke_old": True}).status_code in {200, 201}
        agent.start()
        wait_online(engine, agent)
        (run,) = run_script(client, "echo heard later")
        assert run["stdout"] == "heard later\n", run


def test_a_large_job_arrives_whole_and_large_output_comes_back_cut(engine: EngineProgram, agent: AgentProgram) -> None:
    data = os.urandom(6 * 1024 * 1024)
    files = [{"file_name": "large.bin", "data": base64.b64encode(data).decode()}]
    with engine.owner() as client:
        (run,) = run_script(client, "wc -c < large.bin; yes line | head -c 3000000", files=files)
    assert run["status"] == "Success", run["reason"]
    assert run["stdout"].startswith(f"{len(data)}\nline\n")
    assert "Borealis cut this stream here" in run["stdout"][-300:]
    whole = agent.root / "Agent" / "Spool" / "output" / f"{run['run_id']}.stdout"
    assert whole.stat().st_size == len(f"{len(data)}\n") + 3_000_000


def test_an_agent_that_is_told_to_end_ends_its_scripts_and_says_so(engine: EngineProgram, agent: AgentProgram) -> None:
    marker = f"8{os.getpid()}.5"
    with engine.owner() as client:
        body = {"script_content": f"echo begun; setsid sleep {marker} & sleep {marker}", "script_type": "bash"}
        answer = client.post("/api/scripts/quick_run", json={**body, "guids": [agent.guid]})
        run_id = answer.json()["results"][0]["run_id"]
        wait_for("the script", lambda: client.get(f"/api/runs/{run_id}/output").json()["chunks"] or None, seconds=10)
        began = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - began < 12
        run = wait_run(client, run_id)
    assert (run["status"], run["stdout"]) == ("Interrupted", "begun\n")
    alive = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _has(path, f"sleep\0{marker}")]
    assert alive == []
    assert list((agent.root / "Agent" / "Temp").iterdir()) == []


def test_survives_a_kill_without_a_script_going_on_in_secret(engine: EngineProgram, agent: AgentProgram) -> None:
    marker = f"9{os.getpid()}.5"
    with engine.owner() as client:
        body = {"script_content": f"echo begun; sleep {marker}", "script_type": "bash", "guids": [agent.guid]}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        wait_for("the script", lambda: client.get(f"/api/runs/{run_id}/output").json()["chunks"] or None, seconds=10)
        agent.kill()
        agent.start()
        run = wait_run(client, run_id)
    assert run["status"] == "Interrupted"
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if _has(path, f"sleep\0{marker}")] == []


def _has(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False


if sys.platform != "linux":
    pytest.skip("looks at /proc", allow_module_level=True)
