"""Playbooks on a machine without an agent: a real Engine, a real sshd, real Ansible."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.programs.ansible_env import KEPT, ansible_environment
from tests.programs.programs import EngineProgram, processes_with, wait_for, wait_run
from tests.programs.sshd import Sshd
from tests.programs.wsman import self_signed, stand_in

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


def tasks(*lines: str) -> str:
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


def test_what_a_playbook_does_on_the_engine_reaches_nothing_of_it(
    ground: tuple[EngineProgram, Sshd], client: httpx.Client, machine: str
) -> None:
    engine, sshd = ground
    key = engine.root / "Engine" / "Certificates" / "Credentials" / "borealis-credentials.key"
    assert key.stat().st_mode & 0o777 == 0o400
    here = "delegate_to: localhost, connection: local, vars: {ansible_python_interpreter: /usr/bin/python3}"
    look = f"ls {key.parent} {engine.root}/Engine/database.db; cat /proc/[0-9]*/environ; id -un; ls -A /home; true"
    text = tasks(
        f'{{name: look, shell: "{look}", register: seen, {here}}}',
        "{debug: {var: seen.stdout_lines}}",
        "{debug: {var: seen.stderr_lines}}",
        f"{{name: key, shell: 'cat /run/play/* 2>&1; ssh-add -L', register: found, {here}}}",
        "{debug: {var: found.stdout_lines}}",
    )
    run = play(client, text)
    assert run["status"] == "Success", run["stdout"]
    assert "nobody" in run["stdout"]
    assert f"cannot access '{key.parent}'" in run["stdout"].replace("''", "'")
    assert "No such file" in run["stdout"]
    private = (sshd.folder / "first").read_text().splitlines()
    assert "ssh-ed25519 AAAA" in run["stdout"], "the agent has the key, in public"
    assert not any(line in run["stdout"] for line in private)
    assert "BOREALIS" not in run["stdout"]


def test_the_key_opens_no_other_machine(client: httpx.Client, machine: str, ground: Any, tmp_path: Path) -> None:
    other = Sshd(tmp_path / "other")
    other.authorized.write_text((ground[1].folder / "first.pub").read_text())
    other.start()
    try:
        blind = "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        there = f"ansible_host: 127.0.0.1, ansible_port: {other.port}, ansible_ssh_common_args: '{blind}'"
        run = play(client, tasks(f"{{name: elsewhere, command: 'true', delegate_to: other, vars: {{{there}}}}}"))
    finally:
        other.stop()
    assert run["status"] == "Failed"
    assert "Permission denied" in run["stdout"]


def test_secrets_are_found_nowhere(ground: tuple[EngineProgram, Sshd], client: httpx.Client, machine: str) -> None:
    engine, sshd = ground
    word = f"tell-nobody-{os.getpid()}"
    marker = f"6{os.getpid()}.75"
    text = tasks(f"command: sleep {marker}", "debug: {msg: 'it is {{ word }}{{ tail }}'}")
    become = {"method": "sudo", "password": word}
    secret = {"username": sshd.user, "private_key": sshd.authorise("second"), "become": become}
    body = {"name": "with a word", "kind": "ssh", "secret": secret}
    credential = client.post("/api/credentials", json=body).json()["id"]
    values = {"word": word[:6], "tail": word[6:]}
    run_id = start(client, text, credential_id=credential, variable_values=values, vault_password=word)
    wait_for("the sleep", lambda: processes_with(f"sleep {marker}"), seconds=60)
    assert client.delete(f"/api/credentials/{credential}").json()["error"] == "credential_in_use"
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                assert word.encode() not in (folder / name).read_bytes(), (folder, name)
            except OSError:
                continue
    client.post(f"/api/runs/{run_id}/cancel")
    wait_run(client, run_id, seconds=10)
    run = play(
        client,
        tasks("debug: {msg: 'it is {{ word }}{{ tail }}'}"),
        credential_id=credential,
        variable_values=values,
        vault_password=word,
    )
    assert run["status"] == "Success"
    assert "it is ********" in run["stdout"]
    assert client.delete(f"/api/credentials/{credential}").status_code == 200
    line = (sshd.folder / "second").read_text().splitlines()[2]
    for path in engine.root.rglob("*"):
        if path.is_file() and "ansible-tests" not in str(path.resolve()):
            data = path.read_bytes()
            assert word.encode() not in data, path
            assert line.encode() not in data, path
    entries = client.get("/api/audit", params={"action": "credential.use"}).json()["entries"]
    assert {"owner"} == {entry["actor"] for entry in entries}
    assert run["run_id"] in {entry["detail"]["run_id"] for entry in entries}


def test_cancel_leaves_no_process_here_or_there(client: httpx.Client, machine: str) -> None:
    here, there = f"7{os.getpid()}.25", f"7{os.getpid()}.75"
    local = "delegate_to: localhost, connection: local, vars: {ansible_python_interpreter: /usr/bin/python3}"
    text = tasks(f"{{name: here, shell: 'setsid sleep {here} &', {local}}}", f"command: sleep {there}")
    run_id = start(client, text)
    wait_for("the sleeps", lambda: processes_with(f"sleep {here}") and processes_with(f"sleep {there}"), seconds=60)
    assert client.post(f"/api/runs/{run_id}/cancel").json()["status"] == "requested"
    assert wait_run(client, run_id, seconds=3)["status"] == "Cancelled"
    for what in ("ansible-playbook", f"sleep {here}", f"sleep {there}"):
        wait_for(f"{what} to be gone", lambda what=what: not processes_with(what), seconds=3)  # type: ignore[misc]


def test_a_time_limit_holds(client: httpx.Client, machine: str) -> None:
    marker = f"5{os.getpid()}.5"
    run = play(client, tasks(f"command: sleep {marker}"), timeout_seconds=4)
    assert run["status"] == "Timed Out"
    wait_for("the sleep to be gone", lambda: not processes_with("ansible-playbook"), seconds=3)


@pytest.mark.parametrize("kind", ["winrm", "psrp"])
def test_a_windows_connection_reaches_who_is_known_and_tells_nobody_else(
    client: httpx.Client, tmp_path: Path, kind: str
) -> None:
    word = f"win-word-{os.getpid()}"
    secret = {"username": "Administrator", "password": word, "transport": "basic"}
    credential = client.post("/api/credentials", json={"name": kind, "kind": "windows", "secret": secret}).json()["id"]
    right, wrong = self_signed(tmp_path, "right"), self_signed(tmp_path, "wrong")
    with stand_in(right) as (port, asked):
        connection = {"type": kind, "address": "127.0.0.1", "port": port, "tls": "pinned"}
        connection["certificate"] = wrong.with_suffix(".crt").read_text()
        body = {"hostname": f"win-{kind}", "connection": connection, "credential_id": credential}
        answer = client.post("/api/machines", json=body)
        assert answer.status_code == 201, answer.text
        there = {"hostnames": [f"win-{kind}"]}
        text = tasks("ansible.windows.win_ping:")
        run = play(client, text, **there)
        assert run["status"] == "Failed"
        assert asked == [], "somebody else was told something"
        connection["certificate"] = right.with_suffix(".crt").read_text()
        answer = client.patch(f"/api/machines/{answer.json()['device']['guid']}", json={"connection": connection})
        assert answer.status_code == 200, answer.text
        run = play(client, text, **there)
    assert run["status"] == "Failed"
    basic = base64.b64encode(f"Administrator:{word}".encode()).decode()
    assert ("/wsman", f"Basic {basic}") in asked, asked
    assert word not in run["stdout"] + run["stderr"] + run["reason"]


def test_rejects_a_machine_with_another_host_key(
    ground: tuple[EngineProgram, Sshd], client: httpx.Client, machine: str, tmp_path: Path
) -> None:
    sshd = ground[1]
    target = tmp_path / "never"
    sshd.become_another()
    run = play(client, tasks(f'copy: {{dest: "{target}", content: "x"}}'))
    assert (run["status"], run["reason"]) == ("Refused", "host_key_changed")
    assert "another ssh host key" in run["advice"]
    assert "another host key than the one that was confirmed" in run["stderr"]
    assert not target.exists()
    connection = {"type": "ssh", "address": "127.0.0.1", "port": sshd.port, "host_key": sshd.host_key}
    assert client.patch(f"/api/machines/{machine}", json={"connection": connection}).status_code == 200
    assert play(client, tasks("ping:"))["status"] == "Success"


def test_survives_kill_nine_of_the_engine(ground: tuple[EngineProgram, Sshd], machine: str) -> None:
    engine, _ = ground
    marker = f"4{os.getpid()}.5"
    with engine.owner() as client:
        run_id = start(client, tasks(f"command: sleep {marker}"))
        wait_for("the sleep", lambda: processes_with(f"sleep {marker}"), seconds=60)
    engine.kill()
    wait_for("Ansible to be gone", lambda: not processes_with("ansible-playbook"), seconds=3)
    assert not processes_with("ssh-agent -D -a /run/play"), "the key lives on"
    engine.start()
    with engine.owner() as client:
        assert wait_run(client, run_id)["status"] == "Interrupted"
        assert play(client, tasks("ping:"))["status"] == "Success"
    runs = engine.root / "Engine" / "Data" / "Controller" / "runs"
    wait_for("the journal to be empty", lambda: not list(runs.iterdir()), seconds=5)
