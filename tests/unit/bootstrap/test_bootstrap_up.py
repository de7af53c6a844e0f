"""``up`` and ``down`` with toy programs: the same steps as with the real ones, in seconds."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from tests.programs.programs import wait_for
from tests.programs.toy import Toy, kill, processes_with

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _fresh(shared_toy: Toy) -> None:
    """Environments and staged code stay between tests; whatever programs left does not."""
    shared_toy.stop()
    for name in ("toy", "Agent/Borealis", "Agent/Run", "Engine/Run", "Engine/Data"):
        shutil.rmtree(shared_toy.root / name, ignore_errors=True)


@pytest.fixture
def toy(shared_toy: Toy) -> Toy:
    return shared_toy


def test_up_shows_every_step_and_the_true_output(toy: Toy) -> None:
    done = toy.borealis("up", "--detach")
    assert (done.returncode, done.stderr) == (0, "")
    steps = ["Python environments", "Code", "Engine", "Agent asks for admission", "Approval", "Agent online"]
    places = [done.stdout.index(step) for step in [*steps, "Signed script", "the true output"]]
    assert places == sorted(places)
    assert f"https://localhost:{toy.port}" in done.stdout
    assert "https://localhost/setup#once" in done.stdout
    status = toy.status()
    assert (status["engine"]["state"], status["engine"]["healthy"]) == ("running", True)
    assert (status["agent"]["state"], status["agent"]["connected"]) == ("running", True)


def test_the_one_time_link_and_the_token_are_in_no_log(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    logs = "".join(path.read_text() for path in toy.root.rglob("Logs/*"))
    assert "Ready after" in logs
    assert "#once" not in logs
    assert "toy-code" not in logs


def test_a_second_up_finds_everything_and_starts_nothing(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    before = (toy.status()["engine"]["pid"], toy.status()["agent"]["pid"])
    done = toy.borealis("up")
    assert done.returncode == 0
    assert "was running" in done.stdout
    assert "./Borealis.sh down" in done.stdout
    assert (toy.status()["engine"]["pid"], toy.status()["agent"]["pid"]) == before


def test_down_and_up_again_is_the_same_device_without_new_enrolment(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    guid = toy.status()["agent"]["guid"]
    assert toy.borealis("down").returncode == 0
    assert toy.status()["engine"]["state"] == toy.status()["agent"]["state"] == "stopped"
    assert toy.borealis("up", "--detach").returncode == 0
    assert toy.status()["agent"]["guid"] == guid
    assert toy.starts() == ["code", "no code"]


def test_down_stops_the_agent_first_and_leaves_no_process(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    done = toy.borealis("down")
    assert done.stdout.index("Stop agent") < done.stdout.index("Stop engine")
    assert processes_with(str(toy.root)) == []
    again = toy.borealis("down")
    assert again.returncode == 0
    assert "Nothing of Borealis runs" in again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_in_the_foreground_stops_all_of_it(toy: Toy, number: int) -> None:
    program = toy.popen("up")
    wait_for("both", lambda: toy.status()["agent"]["connected"] or None, seconds=30)
    wait_for("its prompt", lambda: "Ready after" in (toy.root / "Agent" / "Logs" / "install.log").read_text() or None)
    time.sleep(0.3)
    os.killpg(program.pid, number)
    output, _ = program.communicate(timeout=20)
    assert program.returncode == 0, output
    assert "Ctrl-C stops all of it" in output
    assert processes_with(str(toy.root)) == []


def test_ctrl_c_before_it_is_ready_leaves_nothing(toy: Toy) -> None:
    (toy.toy / "deaf").touch()  # nobody hears the agent knock: up waits
    program = toy.popen("up")
    wait_for("the agent", lambda: toy.status()["agent"]["pid"], seconds=30)
    os.killpg(program.pid, signal.SIGINT)
    output, _ = program.communicate(timeout=20)
    assert program.returncode == 130, output
    assert "Interrupted; what had been started was stopped." in output
    assert processes_with(str(toy.root)) == []


def test_a_crash_in_the_foreground_is_told_and_mended(toy: Toy) -> None:
    program = toy.popen("up")
    wait_for("both", lambda: toy.status()["agent"]["connected"] or None, seconds=30)
    first = toy.status()["agent"]["pid"]
    wait_for("its prompt", lambda: "Ready after" in (toy.root / "Agent" / "Logs" / "install.log").read_text() or None)
    time.sleep(0.7)
    kill(first)
    wait_for("another", lambda: toy.status()["agent"]["pid"] not in {None, first} or None, seconds=10)
    time.sleep(0.7)
    os.killpg(program.pid, signal.SIGINT)
    output, _ = program.communicate(timeout=20)
    assert "agent ended with status 137" in output
    assert "agent runs again" in output


def test_two_at_once_one_works_and_the_other_says_so(toy: Toy) -> None:
    first = toy.popen("up", "--detach")
    lock = toy.layout.scratch / "bootstrap.at-work"
    wait_for("the first", lambda: lock.exists() or None, seconds=10)
    second = toy.borealis("up", "--detach")
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    if second.returncode != 0:  # it may have come when the first had just ended
        assert "Another ./Borealis.sh up is at work" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_port_in_use_is_one_sentence_and_starts_nothing(toy: Toy) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", toy.port))
        other.listen()
        done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert done.stderr.startswith(f"borealis: Port {toy.port} is in use")
    assert "Traceback" not in done.stderr
    assert processes_with(str(toy.root)) == []


def test_another_port_while_it_runs_is_refused_and_without_one_it_is_remembered(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    done = toy.borealis("up", "--detach", environ={"BOREALIS_ENGINE_PORT": "1"})
    assert done.returncode == 1
    assert f"runs on port {toy.port} already" in done.stderr
    assert toy.borealis("up", "--detach", environ={"BOREALIS_ENGINE_PORT": ""}).returncode == 0
    toy.borealis("down")
    again = toy.borealis("up", "--detach", environ={"BOREALIS_ENGINE_PORT": ""})
    assert f"https://localhost:{toy.port}" in again.stdout


def test_an_engine_that_needs_a_person_is_quoted_and_nothing_goes_on(toy: Toy) -> None:
    (toy.toy / "fail").write_text("3")
    done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert done.stderr == "borealis: The Engine cannot go on: The toy is broken. Mend it.\n"
    assert processes_with(str(toy.root)) == []


def test_an_engine_that_crashes_at_start_shows_the_end_of_its_log(toy: Toy) -> None:
    (toy.toy / "fail").write_text("1")
    done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert "The toy is broken." in done.stderr
    assert done.stderr.endswith("borealis: The Engine ended with status 1.\n")


def test_an_agent_that_needs_a_person_is_quoted(toy: Toy) -> None:
    (toy.toy / "agent-fail").write_text("3")
    done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert done.stderr.endswith("borealis: The agent cannot go on: The toy agent needs a person.\n")
    assert processes_with(str(toy.root)) == []


def test_a_known_name_with_another_key_is_for_a_person_to_decide(toy: Toy) -> None:
    (toy.toy / "conflict").touch()
    done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert "cli approve ref --merge GUID" in done.stderr
    assert toy.status()["engine"]["state"] == "running", "the person needs the Engine to decide"


@pytest.mark.parametrize(("status", "way_out"), [("revoked", "cli delete "), ("quarantined", "cli release ")])
def test_rejects_to_undo_what_an_operator_decided(toy: Toy, status: str, way_out: str) -> None:
    toy.borealis("up", "--detach")
    (toy.toy / "status").write_text(status)
    done = toy.borealis("up", "--detach")
    assert done.returncode == 1
    assert f"An operator {status} this machine" in done.stderr
    assert way_out in done.stderr
    assert toy.status()["engine"]["state"] == "running", "the way out needs the Engine"


def test_new_code_is_taken_into_use_by_the_next_up(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    before = toy.status()
    told = toy.layout.engine.agent_build
    assert told.read_text().strip() == before["agent"]["code"]
    source = toy.checkout / "Data" / "Agent" / "agent.py"
    source.write_text(source.read_text() + "# changed\n")
    done = toy.borealis("up", "--detach")
    after = toy.status()
    assert done.returncode == 0, done.stderr
    assert after["agent"]["code"] != before["agent"]["code"]
    assert after["agent"]["pid"] != before["agent"]["pid"]
    assert after["engine"]["pid"] == before["engine"]["pid"]
    assert told.read_text().strip() == after["agent"]["code"], "the Engine that goes on running knows of it"
    assert after["agent"]["guid"] == before["agent"]["guid"]


def test_survives_kill_9_in_the_middle_of_up(toy: Toy) -> None:
    for pause in (0.15, 0.25, 0.35):
        program = toy.popen("up", "--detach")
        time.sleep(pause)
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate(timeout=20)
    done = toy.borealis("up", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.status()["agent"]["connected"] is True
    toy.borealis("down")
    assert processes_with(str(toy.root)) == []


def test_survives_kill_9_of_both_programs_and_a_supervisor(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    status = toy.status()
    kill(int((toy.root / "Agent" / "Run" / "supervisor").read_text().split()[0]))
    kill(status["engine"]["pid"])
    wait_for("to be noticed", lambda: toy.status()["agent"]["state"] == "unsupervised" or None)
    done = toy.borealis("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert toy.status()["agent"]["state"] == toy.status()["engine"]["state"] == "running"
    assert len(processes_with(str(toy.root / "Agent" / "Code"))) == 2, "one supervisor, one agent"


def test_a_second_installation_stands_beside_the_first(toy: Toy, tmp_path: Path) -> None:
    toy.borealis("up", "--detach")
    other = Toy(toy.checkout.parent, root="another root")
    other.certify()
    try:
        assert other.borealis("up", "--detach").returncode == 0
        assert toy.borealis("down").returncode == 0
        assert other.status()["engine"]["healthy"] is True
        assert toy.status()["engine"]["state"] == "stopped"
    finally:
        other.stop()


def test_status_is_json_for_programs(toy: Toy) -> None:
    toy.borealis("up", "--detach")
    status = json.loads(toy.borealis("status", "--json").stdout)
    assert set(status["engine"]) >= {"state", "pid", "url", "version", "healthy"}
    assert set(status["agent"]) >= {"state", "pid", "guid", "connected"}
    text = toy.borealis("status").stdout
    assert f"running, pid {status['engine']['pid']}" in text
    assert "connected" in text


def test_engine_alone_says_how_to_invite_and_agent_alone_asks_for_a_token(toy: Toy) -> None:
    done = toy.borealis("engine", "--detach")
    assert done.returncode == 0, done.stderr
    assert "cli codes create" in done.stdout
    refused = toy.borealis("agent", "--detach")
    assert refused.returncode == 2
    assert "not enrolled" in refused.stderr
    token = f"https://localhost:{toy.port}#{'-'.join(['AAAA'] * 8)}.{'0' * 64}"
    waits = toy.borealis("--Agent", "--EnrollmentCode", token, "--detach")
    assert waits.returncode == 0, waits.stderr
    assert "./Borealis.sh cli approve REFERENCE" in waits.stdout
    assert toy.status()["agent"]["fingerprint"] in waits.stdout
    assert token not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "waits for its approval" in toy.borealis("status").stdout


def test_a_token_leaves_the_process_list_at_once(toy: Toy) -> None:
    token = f"https://localhost:{toy.port}#{'-'.join(['BBBB'] * 8)}.{'0' * 64}"
    program = toy.popen("agent", "--enrollment-code", token)
    try:
        wait_for("the agent", lambda: toy.status()["agent"]["fingerprint"] or None, seconds=30)
        assert program.poll() is None
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert "BBBB-BBBB" not in listed
    finally:
        os.killpg(program.pid, signal.SIGINT)
        program.communicate(timeout=20)


def test_uninstall_leaves_the_data_and_purge_leaves_nothing(toy: Toy, tmp_path: Path) -> None:
    other = Toy(toy.checkout.parent, root="third root")
    other.certify()
    try:
        other.borealis("up", "--detach")
        done = other.borealis("uninstall")
        assert done.returncode == 0, done.stderr
        assert processes_with(str(other.root)) == []
        assert sorted(entry.name for entry in (other.root / "Agent").iterdir()) == ["Borealis", "Logs"]
        assert sorted(entry.name for entry in (other.root / "Engine").iterdir()) == ["Certificates", "Data", "Logs"]
        assert other.borealis("up", "--detach").returncode == 0
        assert other.starts() == ["code", "no code"], "the identity was kept"
        shutil.rmtree(other.root / "toy")
        assert other.borealis("uninstall", "--purge").returncode == 0
        assert not other.root.exists()
    finally:
        other.stop()
