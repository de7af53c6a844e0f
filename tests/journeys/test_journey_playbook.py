"""Playbooks with the real programs and real Ansible: tasks as they happen, recap, vault, cancel.

``kill -9`` during a playbook is in ``tests/faults/test_faults_kill_roles.py``.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.programs.ansible_env import lend_ansible
from tests.programs.programs import AgentProgram, EngineProgram, enrol, processes_with, wait_for, wait_run
from tests.programs.remains import files_in, has_ended, offspring

pytestmark = pytest.mark.slow

STATE = Path("Agent/Borealis/Settings/Roles/playbook_exec_system")
SECRET = "correct-horse-7351"
CANCEL_SECONDS = 3.0
"""From the operator's call until neither a process nor a file is left (contract 8)."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineProgram, AgentProgram, Path]]:
    """An Engine, an agent online, and the Ansible that it finds."""
    folder = tmp_path_factory.mktemp("playbooks")
    environment = lend_ansible(folder / "agent")
    engine = EngineProgram(folder / "engine").start()
    agent = AgentProgram(folder / "agent", "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, agent)
        yield engine, agent, environment
    finally:
        agent.stop()
        engine.stop()


@pytest.fixture
def client(pair: tuple[EngineProgram, AgentProgram, Path]) -> Iterator[httpx.Client]:
    """The Engine's owner."""
    with pair[0].owner() as found:
        yield found


def start(client: httpx.Client, text: str, **options: Any) -> str:
    body = {"script_content": text, "all": True, "script_name": "site.yml", **options}
    answer = client.post("/api/ansible/quick_run", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["run_id"])


def play(client: httpx.Client, text: str, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    run = wait_run(client, start(client, text, **options), seconds=90)
    answer = client.get(f"/api/runs/{run['run_id']}/recap")
    assert answer.status_code == 200, (answer.text, run)
    return run, answer.json()["recap_json"]


def results(recap: dict[str, Any]) -> dict[str, str]:
    return {task["name"]: result["result"] for task in recap["tasks"] for result in task["results"]}


def site(target: Path) -> str:
    return f"""
- name: One file
  hosts: all
  gather_facts: false
  tasks:
    - name: greet
      ansible.builtin.debug: {{msg: "hello {{{{ who }}}}"}}
      tags: [talk]
    - name: write
      ansible.builtin.copy: {{dest: "{target}", content: "by {{{{ who }}}}\\n"}}
    - name: never
      ansible.builtin.command: "true"
      when: false
    - name: fails, and no matter
      ansible.builtin.command: ls /nowhere/at/all
      ignore_errors: true
      check_mode: false
    - name: a collection
      ansible.builtin.debug: {{msg: "{{{{ [1, 1] | community.general.counter }}}}"}}
"""


def test_check_mode_changes_nothing_and_then_it_is_done(client: httpx.Client, tmp_path: Path) -> None:
    target = tmp_path / "made"
    variables = {"who": "Ada"}
    dry = {"check": True, "diff": True}
    run, recap = play(client, site(target), variable_values=variables, playbook=dry)
    assert run["status"] == "Success", run["stdout"]
    assert "+by Ada" in run["stdout"]
    assert recap["check"] is True
    assert results(recap)["write"] == "changed"
    assert not target.exists()

    run, recap = play(client, site(target), variable_values=variables)
    assert (run["status"], run["script_type"], target.read_text()) == ("Success", "ansible", "by Ada\n")
    assert "TASK [greet]" in run["stdout"]
    assert "hello Ada" in run["stdout"]
    assert "\x1b" not in run["stdout"]
    assert results(recap) == {
        "greet": "ok",
        "write": "changed",
        "never": "skipped",
        "fails, and no matter": "failed",
        "a collection": "ok",
    }
    failed = next(task["results"][0] for task in recap["tasks"] if task["name"] == "fails, and no matter")
    assert failed["ignored"] is True
    assert "/nowhere/at/all" in failed["message"]
    (host,) = recap["hosts"]
    assert (host["host"], host["ok"], host["changed"], host["failed"], host["skipped"], host["ignored"]) == (
        ("localhost", 4, 2, 0, 1, 1)
    )
    assert recap["text"].startswith("PLAY RECAP")
    listed = client.get("/api/ansible/recaps", params={"limit": 1}).json()["recaps"]
    assert [item["run_id"] for item in listed] == [run["run_id"]]

    _, recap = play(client, site(target), variable_values=variables, playbook={"tags": ["talk"]})
    assert results(recap) == {"greet": "ok"}


def test_a_failure_says_which_task_and_why(client: httpx.Client) -> None:
    broken = "- hosts: localhost\n  gather_facts: false\n  tasks: [{name: look, command: ls /nowhere/at/all}]\n"
    run, recap = play(client, broken)
    assert (run["status"], run["exit_code"]) == ("Failed", 2)
    assert run["reason"].startswith("'look' failed on localhost: ls:")
    assert recap["hosts"][0]["failed"] == 1


def test_events_come_task_by_task(client: httpx.Client) -> None:
    tasks = "".join(f"    - name: step {n}\n      command: sleep 0.5\n" for n in range(6))
    run_id = start(client, f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    seen: list[str] = []

    def first_step() -> bool:
        answer = client.get(f"/api/runs/{run_id}/output").json()
        seen.append("".join(chunk["data"] for chunk in answer["chunks"]))
        return "TASK [step 0]" in seen[-1]

    wait_for("the first task", first_step, seconds=60)
    assert "step 5" not in seen[-1], "it came only at the end"
    assert wait_run(client, run_id, seconds=60)["status"] == "Success"


def test_a_playbook_of_the_library_runs(client: httpx.Client) -> None:
    payload = {"script": "- hosts: all\n  gather_facts: false\n  tasks: [{debug: {msg: 'stored {{ word }}'}}]\n"}
    payload["variables"] = [{"name": "word", "type": "string", "default": "well"}]  # type: ignore[assignment]
    body = {"display_name": "Stored", "assembly_kind": "ansible", "payload": payload}
    answer = client.post("/api/assemblies", json=body)
    assert answer.status_code in {200, 201}, answer.text
    job = {"assembly_guid": answer.json()["assembly_guid"], "all": True}
    answer = client.post("/api/scripts/quick_run", json=job)
    assert answer.status_code == 200, answer.text
    run = wait_run(client, answer.json()["results"][0]["run_id"], seconds=60)
    assert run["status"] == "Success"
    assert "stored well" in run["stdout"]


def test_a_vault_password_opens_the_vault_and_is_found_nowhere(
    pair: tuple[EngineProgram, AgentProgram, Path], client: httpx.Client, tmp_path: Path
) -> None:
    engine, agent, environment = pair
    password = tmp_path / "password"
    password.write_text(SECRET)
    command: list[str | Path] = [
        environment / "bin" / "ansible-vault",
        "encrypt_string",
        "--vault-password-file",
        password,
        "inside",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    secret = "\n".join(f"      {line.strip()}" for line in done.stdout.splitlines()[1:])
    playbook = (
        f"- hosts: all\n  gather_facts: false\n  vars:\n    hidden: !vault |\n{secret}\n"
        "  tasks:\n    - debug: {msg: 'it says {{ hidden }}'}\n"
        f"    - name: leak\n      debug: {{msg: 'tell {SECRET[:8]}{{{{ tail }}}}'}}\n"
    )
    run, recap = play(client, playbook, vault_password=SECRET, variable_values={"tail": SECRET[8:]})
    assert run["status"] == "Success", run["stdout"]
    assert "it says inside" in run["stdout"]
    assert "tell ********" in run["stdout"]
    assert SECRET not in str(recap)
    job = client.get(f"/api/jobs/{run['job_id']}/content").text
    assert SECRET not in job
    assert '"playbook":{' in job
    for root in (engine.root, agent.root):
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink() and "ansible-tests" not in str(path.resolve()):
                assert SECRET.encode() not in path.read_bytes(), path
    wrong = wait_run(client, start(client, playbook, vault_password="wrong", variable_values={"tail": ""}), seconds=60)
    assert wrong["status"] == "Failed"
    assert "ecrypt" in wrong["stdout"]


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["willing", "deaf"])
def test_a_cancel_leaves_nothing_within_three_seconds_ten_times_of_ten(
    pair: tuple[EngineProgram, AgentProgram, Path], client: httpx.Client, trap: str
) -> None:
    agent = pair[1]
    marker = f"8{os.getpid()}.{len(trap)}"
    playbook = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - shell: {trap}setsid sleep {marker} & sleep {marker}\n    - command: touch /nowhere/never\n"
    )
    runs = [start(client, playbook) for _ in range(5)]
    wait_for("the sleeps", lambda: len(processes_with(f"sleep {marker}")) >= 10, seconds=90)
    worked = offspring(agent.pid)
    for run_id in runs:
        own = [one for one in worked if belongs(one, run_id)]
        assert len(own) >= 5, own
        began = time.monotonic()
        assert client.post(f"/api/runs/{run_id}/cancel").status_code == 200
        wait_for("its processes to be gone", lambda own=own: all(has_ended(one) for one in own), seconds=15)  # type: ignore[misc]
        assert wait_run(client, run_id)["status"] == "Cancelled"
        assert time.monotonic() - began < CANCEL_SECONDS
    assert not offspring(agent.pid)
    assert files_in((agent.root / "Agent" / "Temp", agent.root / STATE / "recaps")) == frozenset()


def belongs(process: psutil.Process, run_id: str) -> bool:
    """Whether it carries the run's id; one that ends while it is looked at does not."""
    try:
        return process.environ().get("BOREALIS_RUN_ID") == run_id
    except psutil.Error:
        return False
