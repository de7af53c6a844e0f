"""The main job with the real agent in a real Windows Python: enrol, approve, run signed scripts, see what they said.

One story in order, for one Windows is all that the time allows. What wine is no proof of: ``Docs/windows.md``.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.attacks.attacker import stolen_signing_key
from tests.attacks.background import Background
from tests.attacks.fake_engine import FakeEngine, stolen_context
from tests.attacks.forging import THIEF, order_for, travelling, with_envelope
from tests.programs.programs import EngineProgram, enrol, processes_with, run_script, wait_for, wait_online, wait_run
from tests.programs.windows_agent import WindowsAgent
from tests.programs.windows_python import Windows, a_windows, windows_path

from borealis_wire import base64s
from borealis_wire.events import EngineEvent, ScriptType
from borealis_wire.orders import JobOrder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

JOB = EngineEvent.QUICK_JOB_RUN


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    """A Windows for this file."""
    with a_windows() as made:
        yield made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProgram]:
    """A running Engine, on Linux."""
    program = EngineProgram(tmp_path_factory.mktemp("journey") / "engine").start()
    yield program
    program.stop()


@pytest.fixture(scope="module")
def agent(windows: Windows, engine: EngineProgram) -> Iterator[WindowsAgent]:
    """An enrolled agent on Windows, online."""
    program = WindowsAgent(windows, "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, program)
        yield program
    finally:
        program.end()


@pytest.fixture
def client(engine: EngineProgram, agent: WindowsAgent) -> Iterator[httpx.Client]:
    """The operator."""
    with engine.owner() as found:
        yield found


def launch(client: httpx.Client, script: str, **options: Any) -> str:
    """Begin a run; gives its id."""
    body = {"script_content": script, "script_type": "batch", "all": True, **options}
    answer = client.post("/api/scripts/quick_run", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["run_id"])


def printed(client: httpx.Client, run_id: str) -> str:
    """What a run has printed so far."""
    return "".join(chunk["data"] for chunk in client.get(f"/api/runs/{run_id}/output").json()["chunks"])


def test_the_device_tells_what_it_is(client: httpx.Client, agent: WindowsAgent) -> None:
    def inventoried() -> dict[str, Any] | None:
        device: dict[str, Any] = client.get(f"/api/devices/{agent.guid}").json()
        return device if device["operating_system"].startswith("Microsoft Windows 10") else None

    device = wait_for("the inventory", inventoried, log=agent.logs / "agent.log")
    assert "kernel 10.0.18362" in device["operating_system"]
    assert device["uptime"] > 0
    states = {name: role["state"] for name, role in device["roles"].items()}
    assert set(states.values()) == {"running"}
    assert {"script_exec_system", "device_audit", "playbook_exec_system", "RDP"} <= set(states)


def test_what_is_secret_lies_sealed_by_windows(client: httpx.Client, agent: WindowsAgent) -> None:
    folder = agent.root / "Agent" / "Borealis"
    key = (folder / "Certificates" / "Agent" / "Identity" / "agent_identity_private.ed25519").read_bytes()
    assert b"PRIVATE KEY" not in key
    assert len((folder / "Settings" / "token.key").read_bytes()) > 32, "a bare key is 32 bytes"


def test_a_batch_script_runs_with_its_variables_and_files(client: httpx.Client) -> None:
    script = "@echo off\r\necho %GREETING% from %COMPUTERNAME%\r\ntype note.txt\r\necho problem 1>&2\r\nexit /b 3\r\n"
    files = [{"file_name": "note.txt", "data": "ZnJvbSBhIGZpbGU="}]
    (run,) = run_script(client, script, script_type="batch", variable_values={"GREETING": "hello there"}, files=files)
    assert (run["status"], run["exit_code"], run["reason"]) == ("Failed", 3, ""), run
    greeting, note = run["stdout"].splitlines()
    assert greeting.startswith("hello there from ")
    assert note == "from a file"
    assert run["stderr"].strip() == "problem"


def test_python_runs_in_the_agents_interpreter(client: httpx.Client) -> None:
    (run,) = run_script(client, "import sys; print(sys.platform, '\u00fc\u20ac\U0001f40d')", script_type="python")
    assert (run["status"], run["stdout"]) == ("Success", "win32 \u00fc\u20ac\U0001f40d\r\n"), run


@pytest.mark.parametrize("script_type", ["bash", "powershell"])  # wine's powershell.exe is a stand-in
def test_a_missing_interpreter_is_said(client: httpx.Client, script_type: str) -> None:
    (run,) = run_script(client, "echo hi", script_type=script_type)
    assert (run["status"], run["reason"]) == ("Refused", "interpreter_missing")


def test_output_arrives_while_the_script_runs(client: httpx.Client, agent: WindowsAgent) -> None:
    script = (
        "import os, time\nprint('first', flush=True)\n"
        "while not os.path.exists(r'C:\\go'): time.sleep(0.05)\nprint('last')\n"
    )
    run_id = launch(client, script, script_type="python")
    wait_for("live output", lambda: printed(client, run_id) == "first\r\n", log=agent.logs / "agent.log")
    assert client.get(f"/api/runs/{run_id}").json()["status"] == "Running"
    (agent.windows.prefix / "drive_c" / "go").touch()
    assert wait_run(client, run_id)["stdout"] == "first\r\nlast\r\n"


def sleeping_tree(windows: Windows, marker: str) -> str:
    """A batch script that starts one sleeper beside it and waits for another."""
    python = windows_path(windows.python / "python.exe")
    sleeper = f'"{python}" -I -S -c "import time; time.sleep({marker})"'
    return f'@echo off\r\nstart /b "" {sleeper}\r\necho begun\r\n{sleeper}\r\n'


def test_a_cancel_ends_the_whole_tree(client: httpx.Client, windows: Windows) -> None:
    marker = "61234.5"
    run_id = launch(client, sleeping_tree(windows, marker))
    wait_for("the sleepers", lambda: len(processes_with(f"time.sleep({marker})")) >= 2)
    assert client.post(f"/api/runs/{run_id}/cancel").status_code == 200
    assert wait_run(client, run_id)["status"] == "Cancelled"
    wait_for("the sleepers to be gone", lambda: not processes_with(f"time.sleep({marker})"), seconds=10)


def test_a_time_out_ends_the_whole_tree(client: httpx.Client, windows: Windows) -> None:
    marker = "71234.5"
    (run,) = run_script(client, sleeping_tree(windows, marker), script_type="batch", timeout_seconds=6)
    assert (run["status"], run["stdout"].strip()) == ("Timed Out", "begun"), run
    wait_for("the sleepers to be gone", lambda: not processes_with(f"time.sleep({marker})"), seconds=10)


def test_survives_being_ended_in_the_middle_of_a_run(
    client: httpx.Client, engine: EngineProgram, agent: WindowsAgent
) -> None:
    marker = "81234.5"
    guid = agent.guid
    run_id = launch(client, sleeping_tree(agent.windows, marker))
    wait_for("the sleepers", lambda: len(processes_with(f"time.sleep({marker})")) >= 2)
    agent.end()
    wait_for("the sleepers to be gone", lambda: not processes_with(f"time.sleep({marker})"), seconds=10)
    agent.start()
    assert wait_run(client, run_id)["status"] == "Interrupted"
    assert wait_online(engine, agent) == guid
    (run,) = run_script(client, "@echo back\r\n", script_type="batch")
    assert (run["status"], run["stdout"]) == ("Success", "back\r\n")


def test_rejects_jobs_that_the_engine_did_not_sign(
    client: httpx.Client, engine: EngineProgram, agent: WindowsAgent
) -> None:
    guid, ledger = agent.guid, agent.windows.prefix / "drive_c" / "ledger"
    script = "@echo %1 ran >> C:\\ledger\r\n"
    key = stolen_signing_key(engine)

    def job(**changes: Any) -> JobOrder:
        return order_for(guid, script, script_type=ScriptType.BATCH, **changes)

    with ExitStack() as stack:
        background = Background()
        stack.callback(background.close)
        engine.stop()
        stack.callback(engine.start)
        false = stack.enter_context(FakeEngine(background, stolen_context(engine.root), port=engine.port))
        false.wait_session(log=agent.logs / "agent.log")
        forged = travelling(job(), script, THIEF)
        assert false.call(JOB, forged) == {"status": "refused", "reason": "unknown_key"}
        changed = travelling(job(), script, key)
        payload = base64s.decode(changed["envelope"]["payload"]).replace(b'"batch"', b'"batCh"')
        changed = with_envelope(changed, payload=base64s.encode(payload))
        assert false.call(JOB, changed) == {"status": "refused", "reason": "bad_signature"}
        late = travelling(job(issued_at=time.time() - 900, expires_at=time.time() - 300), script, key)
        assert false.call(JOB, late) == {"status": "refused", "reason": "expired"}
        assert not ledger.exists()
        genuine = travelling(job(), script, key)
        assert false.call(JOB, genuine) == {"status": "accepted"}
        assert false.result_of(genuine["run_id"])["status"] == "Success"
        assert ledger.exists(), "what differs from the forgeries in its signature alone does run"
        assert false.call(JOB, genuine) == {"status": "refused", "reason": "replayed"}
    wait_online(engine, agent)
