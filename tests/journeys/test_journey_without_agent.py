"""Playbooks on a machine without an agent: a real Engine, a real sshd, real Ansible."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.programs.ansible_env import KEPT, ansible_environment
from tests.programs.programs import EngineProgram, processes_with, wait_for, wait_run
from tests.programs.sshd import Sshd

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EngineProgram, Sshd]]:
    """An Engine that finds Ansible installed, and an sshd."""
    folder = tmp_path_factory.mktemp("agentless")
    ansible_environment()
    engine = EngineProgram(folder / "engine")
    controller = engine.root / "Engine" / "Data" / "Controller"
    controller.mkdir(mode=0o700, parents=True)
    (controller / "ansible").symlink_to(KEPT)
    sshd = Sshd(folder / "sshd").start()
    try:
        engine.start()
        yield engine, sshd
    finally:
        engine.stop()
        sshd.stop()


@pytest.fixture(scope="module")
def client(ground: tuple[EngineProgram, Sshd]) -> Iterator[httpx.Client]:
    """The Engine's owner."""
    with ground[0].owner() as found:
        yield found


@pytest.fixture(scope="module")
def machine(ground: tuple[EngineProgram, Sshd], client: httpx.Client) -> str:
    """The sshd as a machine without an agent, with a credential; its GUID."""
    sshd = ground[1]
    secret = {"username": sshd.user, "private_key": sshd.authorise("first", passphrase="open sesame")}
    body = {"name": "the key", "kind": "ssh", "secret": {**secret, "passphrase": "open sesame"}}
    answer = client.post("/api/credentials", json=body)
    assert answer.status_code == 201, answer.text
    credential = answer.json()["id"]
    shown = client.post("/api/machines/host_key", json={"address": "127.0.0.1", "port": sshd.port})
    assert shown.json()["keys"][0]["fingerprint"] == sshd.fingerprint
    connection = {"type": "ssh", "address": "127.0.0.1", "port": sshd.port}
    body = {"hostname": "web1", "connection": connection, "credential_id": credential}
    assert client.post("/api/machines", json=body).json()["error"] == "host_key_unconfirmed"
    body["connection"] = {**connection, "host_key_fingerprint": sshd.fingerprint}
    answer = client.post("/api/machines", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["device"]["guid"])


def start(client: httpx.Client, text: str, **options: Any) -> str:
    body = {"script_content": text, "hostnames": ["web1"], "script_name": "site.yml", **options}
    answer = client.post("/api/ansible/quick_run", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["run_id"])


def play(client: httpx.Client, text: str, **options: Any) -> dict[str, Any]:
    return wait_run(client, start(client, text, **options), seconds=90)


def tasks(*lines: str, **more: Any) -> str:
    listed = "".join(f"    - {line}\n" for line in lines)
    return f"- hosts: all\n  gather_facts: false\n  tasks:\n{listed}"


def test_a_playbook_runs_over_ssh_as_any_other_job(client: httpx.Client, machine: str, tmp_path: Path) -> None:
    target = tmp_path / "made"
    text = tasks(f'copy: {{dest: "{target}", content: "by {{{{ who }}}} on {{{{ inventory_hostname }}}}"}}')
    run = play(client, text, variable_values={"who": "Ada"})
    assert run["status"] == "Success", run["stdout"] + run["stderr"]
    assert target.read_text() == "by Ada on web1"
    recap = client.get(f"/api/runs/{run['run_id']}/recap").json()["recap_json"]
    assert [(host["host"], host["changed"]) for host in recap["hosts"]] == [("web1", 1)]
    output = client.get(f"/api/runs/{run['run_id']}/output").json()
    assert "TASK [copy]" in "".join(chunk["data"] for chunk in output["chunks"])
    device = client.get(f"/api/devices/{machine}").json()
    assert (device["has_agent"], device["presence"]["online"], device["connection_type"]) == (False, False, "ssh")


def test_cancel_leaves_no_process(client: httpx.Client, machine: str) -> None:
    marker = f"7{os.getpid()}.25"
    run_id = start(client, tasks(f"shell: setsid sleep {marker} & sleep {marker}", "pause: {seconds: 1}"))
    wait_for("the sleeps", lambda: len(processes_with(f"sleep {marker}")) >= 2, seconds=60)
    assert client.post(f"/api/runs/{run_id}/cancel").json()["status"] == "requested"
    assert wait_run(client, run_id, seconds=3)["status"] == "Cancelled"
    wait_for("Ansible to be gone", lambda: not processes_with("ansible-playbook"), seconds=3)
